"""A calculator for what people write. Numbers are decimal, with 50 digits: 0.1 + 0.2 is 0.3, and none grows large.

Of Python it knows numbers, operators, parentheses and the functions below, and nothing else: no names to be looked
up, no attributes, no texts. (Evaluators in libraries compute with floats and unbounded integers.)
"""

import ast
import math
import operator
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Context, Decimal, DivisionByZero, InvalidOperation, Overflow, localcontext
from typing import Annotated, Any, Final

from msgspec import Meta

from tools.base import tool
from tools.exceptions import ToolRetry

MOST_CHARACTERS: Final = 500
MOST_DEPTH: Final = 60
PRECISION: Final = 50
_NOUGHT: Final = Decimal(0)
_CONTEXT: Final = Context(
    prec=PRECISION, Emax=9999, Emin=-9999, traps=[InvalidOperation, DivisionByZero, Overflow]
)


def _of_float(function: Callable[..., float]) -> Callable[..., Decimal]:
    # 15 digits are right in a float; more would show its noise.
    return lambda *values: Decimal(f"{function(*map(float, values)):.15g}")


def _round(value: Decimal, digits: Decimal = _NOUGHT) -> Decimal:
    """Halves go up, as people do it and Python does not."""
    if digits != int(digits) or value.adjusted() + digits >= PRECISION - 1:
        return value
    return value.quantize(Decimal(1).scaleb(-int(digits)), ROUND_HALF_UP)


def _factorial(value: Decimal) -> Decimal:
    if value != int(value) or not 0 <= value <= 1000:
        raise ToolRetry("factorial takes a whole number from 0 to 1000.")
    return +Decimal(math.factorial(int(value)))


def _modulo(left: Decimal, right: Decimal) -> Decimal:
    """With the sign of the divisor, as people and Python expect it."""
    rest = left % right
    return rest + right if rest and (rest < 0) != (right < 0) else rest


_OPERATORS: Final[dict[type, Callable[..., Decimal]]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Mod: _modulo, ast.Pow: operator.pow, ast.UAdd: operator.pos,
    ast.USub: operator.neg, ast.FloorDiv: lambda a, b: (a - _modulo(a, b)) / b,
}  # fmt: skip
_FUNCTIONS: Final[dict[str, Callable[..., Decimal]]] = {
    "abs": abs, "min": min, "max": max, "round": _round, "sqrt": lambda x: x.sqrt(), "exp": lambda x: x.exp(),
    "ln": lambda x: x.ln(), "log": lambda x, base=Decimal(10): x.ln() / base.ln(), "log10": lambda x: x.log10(),
    "floor": lambda x: x.to_integral_value("ROUND_FLOOR"), "ceil": lambda x: x.to_integral_value("ROUND_CEILING"),
    "sin": _of_float(math.sin), "cos": _of_float(math.cos), "tan": _of_float(math.tan), "asin": _of_float(math.asin),
    "acos": _of_float(math.acos), "atan": _of_float(math.atan), "radians": _of_float(math.radians),
    "degrees": _of_float(math.degrees), "factorial": _factorial,
}  # fmt: skip
_CONSTANTS: Final = {
    "pi": Decimal("3.14159265358979323846264338327950288419716939937511"),
    "e": Decimal("2.71828182845904523536028747135266249775724709369996"),
}


@tool(timeout_seconds=10, idempotent=True)
def calculate(expression: Annotated[str, Meta(min_length=1, max_length=MOST_CHARACTERS)]) -> str:
    """Works an arithmetic expression out, exactly to 50 digits.

    Knows + - * / // % ^ and parentheses, the constants pi and e, and the functions abs, min, max, round, floor, ceil,
    sqrt, exp, ln, log (to base 10, or to a second argument), log10, sin, cos, tan, asin, acos, atan (in radians),
    radians, degrees, factorial.

    Args:
        expression: such as "(2.5 + 1) * 4 ^ 2"; a decimal point, no thousands separators, no units.
    """
    source = (
        expression.replace("×", "*")
        .replace("÷", "/")
        .replace("−", "-")
        .replace("·", "*")
        .replace("^", "**")
        .strip()
    )
    try:
        tree = ast.parse(source, mode="eval").body
        with localcontext(_CONTEXT):
            return _written(_value(tree, source, 0))
    except (SyntaxError, MemoryError, RecursionError) as error:
        raise ToolRetry(f"{expression!r} is no arithmetic expression.") from error
    except (DivisionByZero, InvalidOperation, ZeroDivisionError) as error:
        raise ToolRetry(
            "That has no value: a division by zero, or a root or logarithm that does not exist."
        ) from error
    except (Overflow, OverflowError) as error:
        raise ToolRetry("The result is too large.") from error
    except (ValueError, TypeError) as error:
        raise ToolRetry(
            "A function was given values, or a number of values, that it does not take."
        ) from error


def _value(node: ast.AST, source: str, depth: int) -> Decimal:
    if depth > MOST_DEPTH:
        raise ToolRetry("The expression is nested too deeply.")

    def inner(child: ast.AST) -> Decimal:
        return _value(child, source, depth + 1)

    match node:
        case ast.Constant(value=int() | float()) if not isinstance(node.value, bool):
            return _number(ast.get_source_segment(source, node) or "")
        case ast.Name(id=name) if name in _CONSTANTS:
            return +_CONSTANTS[name]
        case ast.UnaryOp() if type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](inner(node.operand))
        case ast.BinOp() if type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](inner(node.left), inner(node.right))
        case ast.Call(func=ast.Name(id=name), keywords=[]) if name in _FUNCTIONS:
            return _FUNCTIONS[name](*map(inner, node.args))
    raise ToolRetry(
        f"{(ast.get_source_segment(source, node) or 'That')[:80]!r} is nothing this calculator knows."
    )


def _number(text: str) -> Decimal:
    """As it was written, not as a float: 0.1 is 0.1."""
    if text[:2].lower() in {"0x", "0o", "0b"}:
        return +Decimal(int(text, 0))
    return +Decimal(text)


def _written(value: Any) -> str:
    number = Decimal(value).normalize()
    if not number.is_finite():
        raise ToolRetry("That has no finite value.")
    return f"{number:f}" if -20 <= number.adjusted() < 50 else f"{number:E}"
