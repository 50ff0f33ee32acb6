"""The three wire protocols, each a pure state machine."""
