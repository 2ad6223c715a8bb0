"""The version of Flywheel, in one place."""

VERSION = "0.1.0"
