"""The same function that does nothing, for functions-framework."""

import functions_framework


@functions_framework.cloud_event
def noop(event):
    pass
