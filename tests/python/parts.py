"""A part of a cadence, which no user can build, for tests that plant a fault between two of its relations."""


def let_pass() -> None:
    """From now on dbt builds in this process whatever is selected, on what another run has left."""
    from dbt.clients.jinja import MacroGenerator

    called = MacroGenerator.__call__

    def call(generator, *arguments, **named):
        return "" if generator.macro.name == "refuse_partial_run" else called(generator, *arguments, **named)

    MacroGenerator.__call__ = call
