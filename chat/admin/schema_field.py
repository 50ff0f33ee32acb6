"""A form's field for a JSON schema, read as strictly as what a model writes. Django's own lets NaN through, and trips
over numbers and nesting without end."""

from typing import Any

import msgspec
from django import forms
from django.core.exceptions import ValidationError
from django.forms.fields import InvalidJSONInput

from tools.json_schema import MOST_SCHEMA_BYTES, TOO_DEEP, TOO_LARGE, is_deep


class SchemaField(forms.JSONField):
    def to_python(self, value: Any) -> Any:
        if not isinstance(value, str) or value in self.empty_values:
            return super().to_python(value)
        if len(value.encode(errors="replace")) > MOST_SCHEMA_BYTES:
            raise ValidationError(TOO_LARGE)
        try:
            read = msgspec.json.decode(value)
        except RecursionError:
            raise ValidationError(TOO_DEEP) from None
        except (msgspec.DecodeError, ValueError) as error:
            raise ValidationError(f"This is no valid JSON: {error}") from None
        if is_deep(read):
            raise ValidationError(TOO_DEEP)
        return read

    def bound_data(self, data: Any, initial: Any) -> Any:
        """What was typed comes back as it was, whether or not it can be read."""
        return initial if self.disabled else InvalidJSONInput(data or "")
