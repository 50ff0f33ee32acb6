"""An app for the processes of these tests."""
