"""Figures of the settings, as the parts are built with them."""

from django.conf import settings

from chat.conf import Bands, SocketLimits
from chat.engine.wire_log import WireLogRules


def socket_limits() -> SocketLimits:
    return SocketLimits(
        sockets_per_user=settings.SOCKETS_PER_USER,
        commands_per_minute=settings.COMMANDS_PER_MINUTE,
        frames_per_minute=settings.FRAMES_PER_MINUTE,
        credit_events=settings.CREDIT_EVENTS,
        credit_bytes=settings.CREDIT_BYTES,
        ack_seconds=settings.ACK_SECONDS,
        silence_seconds=settings.SILENCE_SECONDS,
    )


def bands() -> Bands:
    return Bands(
        first_token_seconds=settings.BANDS_FIRST_TOKEN_SECONDS,
        tokens_per_second=settings.BANDS_TOKENS_PER_SECOND,
        short_answer_seconds=settings.BANDS_SHORT_ANSWER_SECONDS,
        short_answer_tokens=settings.SHORT_ANSWER_TOKENS,
        stop_seconds=settings.BANDS_STOP_SECONDS,
    )


def wire_log_rules() -> WireLogRules:
    return WireLogRules(
        kept=settings.WIRE_LOG, sample=settings.WIRE_LOG_SAMPLE, most_bytes=settings.WIRE_LOG_BYTES
    )
