"""A way to the account of a rehearsal, past dbt."""

import snowflake.connector


def connected(environment: dict[str, str], **options):
    """A connection to the account of an environment, to be closed by whoever asks for it."""
    return snowflake.connector.connect(
        account="rehearsal",
        user=environment["SNOWFLAKE_USER"],
        private_key_file=environment["SNOWFLAKE_PRIVATE_KEY_PATH"],
        host="127.0.0.1",
        port=int(environment["SNOWFLAKE_PORT"]),
        protocol="http",
        database="NIGHTBOOK",
        schema="MAIN",
        **options,
    )
