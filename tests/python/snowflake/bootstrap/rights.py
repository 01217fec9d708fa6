"""Rights, read from the SQL that bootstrap_snowflake prints, and the rules that they must keep.

A right counts however it is given: to the role or to a role that it has; on one relation, on all of a schema or
database, or on future ones. It counts even without the right to use the schema, which could be granted any day.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

SYSTEM_ROLES = {"ACCOUNTADMIN", "ORGADMIN", "SECURITYADMIN", "SYSADMIN", "USERADMIN"}
# Privileges that only read relations. Any other changes them.
_READS = {"SELECT", "REFERENCES"}
# Privileges that let their holder take every other right.
_MASTERY = ("OWNERSHIP", "ALL", "ALL PRIVILEGES", "MANAGE GRANTS", "APPLY MASKING POLICY", "CREATE ROLE", "IMPERSONATE")
_RELATIONS = {"TABLE", "VIEW"}
# Tables of the record: rows are added, and none is ever changed.
RECORD = ("audit.audit_chain", "audit.promotion_log")


@dataclass(frozen=True)
class Right:
    """One right of one role. `name` is the object, or the schema or database whose relations it covers."""

    role: str
    privilege: str
    kind: str
    name: str

    def touches(self, schema: str) -> bool:
        """Whether it covers something in a schema, named with its database."""
        return self.name == schema or self.name.startswith(f"{schema}.") or schema.startswith(f"{self.name}.")


@dataclass
class Rights:
    """All rights that statements give."""

    database: str
    rights: list[Right] = field(default_factory=list)
    roles: set[str] = field(default_factory=set)
    # Role -> roles that it has.
    has: dict[str, set[str]] = field(default_factory=dict)
    # TABLE.COLUMN -> policy. Policy -> roles that see through it, as the primary role or as any role of the session.
    masks: dict[str, str] = field(default_factory=dict)
    seen_by: dict[str, set[str]] = field(default_factory=dict)
    seen_in_session: dict[str, set[str]] = field(default_factory=dict)
    # User -> roles. Users whose sessions have only one of them at a time.
    users: dict[str, set[str]] = field(default_factory=dict)
    one_role: set[str] = field(default_factory=set)

    def closure(self, role: str) -> dict[str, str]:
        """The role and all roles that it has, each with the chain of grants to it."""
        ways, waiting = {role: role}, [role]
        while waiting:
            one = waiting.pop()
            for other in sorted(self.has.get(one, ())):
                if other not in ways:
                    ways[other] = f"{ways[one]} > {other}"
                    waiting.append(other)
        return ways

    def session(self, user: str, primary: str) -> dict[str, str]:
        """The roles of a user's session, each with the chain of grants to it."""
        ways = self.closure(primary)
        for role in sorted(self.users[user] - {primary}) if user not in self.one_role else ():
            ways = {one: f"{primary} + {way}" for one, way in self.closure(role).items()} | ways
        return ways

    def of(self, role: str) -> Iterator[tuple[Right, str]]:
        """Each right of a role, with the chain of grants to it."""
        ways = self.closure(role)
        for right in self.rights:
            if right.role in ways:
                yield right, ways[right.role]

    def named(self, short: str) -> str:
        return f"{self.database}_{short}"

    def schema(self, short: str) -> str:
        return f"{self.database}.{short}".upper()


_PATTERNS = {
    "right": r"grant (?P<privilege>[\w ]+?) on (?:all |future )?(?P<kind>\w+)(?: in (?:schema|database))?"
    r"(?: (?P<name>[\w.]+))? to role (?P<role>\w+)",
    "database_role": r"grant database role (?P<name>[\w.]+) to role (?P<role>\w+)",
    "member": r"grant role (?P<name>\w+) to role (?P<role>\w+)",
    "role": r"create role if not exists (?P<name>\w+) comment = '[^']*'",
    "policy": r"create masking policy if not exists (?P<name>[\w.]+) as \(value \w+\) returns \w+ -> (?P<text>.*)",
    "mask": r"alter table (?P<table>[\w.]+) modify column (?P<column>\w+) set masking policy (?P<policy>[\w.]+)",
    "user": r"(?:create|alter) user (?:if not exists )?(?P<name>\w+)(?P<text> .*)",
    "holder": r"grant role (?P<name>\w+) to user (?P<user>\w+)",
    "other": r"(?:use role|create (?:resource monitor|warehouse|database|schema|stage|table|network rule|secret"
    r"|external access integration) if not exists|alter warehouse \w+ set resource_monitor"
    r"|alter database \w+ set default_python_artifact_repository) .*",
}


def read(sql: str, database: str = "NIGHTBOOK") -> Rights:
    """The rights that printed statements give, one per line.

    Raises:
        ValueError: a statement that this reader does not know, and that might give a right.
    """
    found = Rights(database)
    for line in filter(None, (line.strip().rstrip(";") for line in sql.splitlines())):
        kind, match = next(
            (
                (name, match)
                for name, pattern in _PATTERNS.items()
                if (match := re.fullmatch(pattern, line, re.IGNORECASE))
            ),
            ("", None),
        )
        if match is None:
            raise ValueError(f"what does this give to whom? {line}")
        part = {name: (value or "").upper() for name, value in match.groupdict().items()}
        if kind == "right":
            what = {"TABLES": "TABLE", "VIEWS": "VIEW"}.get(part["kind"], part["kind"])
            found.rights.append(Right(part["role"], part["privilege"], what, part["name"]))
        elif kind == "database_role":
            found.rights.append(Right(part["role"], "USAGE", "DATABASE_ROLE", part["name"]))
        elif kind == "member":
            found.has.setdefault(part["role"], set()).add(part["name"])
        elif kind == "role":
            found.roles.add(part["name"])
        elif kind == "policy":
            primary = re.search(r"CURRENT_ROLE\(\) IN \(([^)]*)\)", part["text"])
            found.seen_by[part["name"]] = set(re.findall(r"'(\w+)'", primary[1])) if primary else set()
            in_session = set(re.findall(r"IS_ROLE_IN_SESSION\('(\w+)'\)", part["text"]))
            found.seen_in_session[part["name"]] = in_session
        elif kind == "user":
            found.users.setdefault(part["name"], set())
            if roles := re.search(r"DEFAULT_SECONDARY_ROLES = \(([^)]*)\)", part["text"]):
                (found.one_role.discard if roles[1].strip() else found.one_role.add)(part["name"])
        elif kind == "holder":
            found.users.setdefault(part["user"], set()).add(part["name"])
        elif kind == "mask":
            found.masks[f"{part['table']}.{part['column']}"] = part["policy"]
    return found


# --- rules: each returns a sentence for every way around it


def scoring_sees_nobody(rights: Rights, personal: Iterable[str]) -> list[str]:
    """The scoring role cannot reach a personal column: it has no right on schemas with any, their tables or stages."""
    schemas = {rights.schema(column.split(".")[0]) for column in personal}
    role = rights.named("SCORING")
    found = _mastery(rights, role) + _has(rights, role, rights.named("PIPELINE"), rights.named("PERSONAL_DATA"))
    found += [
        f"{way}: {right.privilege} on {right.kind} {right.name} leads to personal columns in {schema}"
        for right, way in rights.of(role)
        for schema in sorted(schemas)
        if right.touches(schema) and not _is_door(right, rights)
    ]
    return found


def analyst_reads_what_is_published(rights: Rights) -> list[str]:
    """The analyst has rights on marts and monitoring only, none on raw data, the registry or its mirror."""
    role = rights.named("ANALYST")
    published = [rights.schema("marts"), rights.schema("monitoring")]
    found = _mastery(rights, role)
    for right, way in rights.of(role):
        is_published = right.name in published and (
            (right.kind in _RELATIONS and right.privilege == "SELECT")
            or (right.kind, right.privilege) == ("SCHEMA", "USAGE")
        )
        if not (is_published or _is_door(right, rights) or right.kind == "WAREHOUSE"):
            found.append(f"{way}: {right.privilege} on {right.kind} {right.name} is more than what is published")
    return found


def pipeline_alone_writes_scores(rights: Rights) -> list[str]:
    """Only the pipeline's role may change a relation with scores, or create one beside them."""
    pipeline, found = rights.named("PIPELINE"), []
    for role in sorted(rights.roles - {pipeline}):
        found += _mastery(rights, role) + _has(rights, role, pipeline)
        for right, way in rights.of(role):
            for schema in (rights.schema("marts"), rights.schema("scoring")):
                changes = (right.kind in _RELATIONS and right.privilege not in _READS) or right.privilege.startswith(
                    "CREATE"
                )
                if right.role != pipeline and right.touches(schema) and changes:
                    found.append(
                        f"{way}: {right.privilege} on {right.kind} {right.name} could write scores into {schema}"
                    )
    return found


def approver_changes_nothing(rights: Rights) -> list[str]:
    """The approver reads what an approval is based on, and adds rows to the record of promotions and the audit log."""
    role = rights.named("APPROVER")
    record = [rights.schema(name) for name in RECORD]
    seen = [rights.schema(name) for name in ("audit", "training", "fairness")]
    return _mastery(rights, role) + [
        f"{way}: {right.privilege} on {right.kind} {right.name} is more than an approval needs"
        for right, way in rights.of(role)
        if not (
            _is_door(right, rights)
            or right.kind == "WAREHOUSE"
            or (right.name in seen and right.privilege in ("SELECT", "USAGE"))
            or (right.name in record and right.privilege == "INSERT")
        )
    ]


def approver_alone_puts_on_record(rights: Rights) -> list[str]:
    """Nobody changes or removes a row of the record. Only the approver adds one to the record of promotions."""
    found = []
    for table in RECORD:
        allowed = {"SELECT", "INSERT", "REFERENCES"}
        for right in rights.rights:
            about = right.kind in _RELATIONS and right.touches(rights.schema(table))
            adds = right.privilege == "INSERT" and table == "audit.promotion_log"
            if about and (right.privilege not in allowed or (adds and right.role != rights.named("APPROVER"))):
                found.append(f"{right.role}: {right.privilege} on {right.kind} {right.name} could change {table}")
    return found + [
        f"{way}: has the approver's right to {right.name}"
        for role in sorted(rights.roles - {rights.named("APPROVER")})
        for right, way in rights.of(role)
        if right.role == rights.named("APPROVER") and right.privilege == "INSERT"
    ]


def landed_rows_stay(rights: Rights) -> list[str]:
    """Nobody changes or removes a landed row. Rows can be added and read."""
    return [
        f"{right.role}: {right.privilege} on {right.kind} {right.name} could change what has landed"
        for right in rights.rights
        if right.touches(rights.schema("raw"))
        and (
            (right.kind in _RELATIONS and right.privilege not in ("SELECT", "INSERT"))
            or (right.kind == "SCHEMA" and right.privilege != "USAGE")
        )
    ]


def personal_columns_are_masked(rights: Rights, personal: Iterable[str], needed: Iterable[str]) -> list[str]:
    """Every personal column has a mask. Only the role for personal data, and the pipeline if needed, see through."""
    found = []
    for column in sorted(personal):
        policy = rights.masks.get(rights.schema(column))
        allowed = {rights.named("PERSONAL_DATA")} | ({rights.named("PIPELINE")} if column in needed else set())
        if policy is None:
            found.append(f"{column}: has no mask")
        elif more := sorted(
            (rights.seen_by.get(policy, {"everybody"}) | rights.seen_in_session.get(policy, set())) - allowed
        ):
            found.append(f"{column}: {', '.join(more)} would see it")
    return found


def masks_ask_for_the_primary_role(rights: Rights) -> list[str]:
    """No mask opens for a secondary role of a session."""
    return [
        f"{policy}: a session that has {role} in any way would see through it"
        for policy, roles in sorted(rights.seen_in_session.items())
        for role in sorted(roles)
    ]


def a_session_has_one_role(rights: Rights) -> list[str]:
    """A user's session has one role: it gets no other role's rights and sees through no mask."""
    found = []
    for user, roles in sorted(rights.users.items()):
        for primary in sorted(roles):
            alone, session = rights.closure(primary), rights.session(user, primary)
            more = {role: way for role, way in session.items() if role not in alone}
            found += [
                f"{user} as {way}: sees through {policy}"
                for policy, seeing in sorted(rights.seen_in_session.items())
                for role, way in sorted(more.items())
                if role in seeing and not seeing & alone.keys()
            ]
            found += [
                f"{user} as {way}: {right.privilege} on {right.kind} {right.name}"
                for role, way in sorted(more.items())
                for right in rights.rights
                if right.role == role
            ]
        if user not in rights.one_role:
            found.append(f"{user}: has secondary roles as soon as it has a second role")
    return found


def personal_data_is_given_to_nobody(rights: Rights) -> list[str]:
    """No role has the role behind the masks, not even an administrator's."""
    role = rights.named("PERSONAL_DATA")
    return [f"{other} has {role}" for other, had in sorted(rights.has.items()) if role in had]


def nobody_is_master(rights: Rights) -> list[str]:
    """No role of the project has an administrator's rights."""
    return [sentence for role in sorted(rights.roles) for sentence in _mastery(rights, role)]


def _mastery(rights: Rights, role: str) -> list[str]:
    found = [
        f"{rights.closure(role)[one]}: an administrator's role" for one in rights.closure(role) if one in SYSTEM_ROLES
    ]
    return found + [
        f"{way}: {right.privilege} on {right.kind} {right.name} makes it master"
        for right, way in rights.of(role)
        if right.privilege in _MASTERY or right.kind == "ACCOUNT"
    ]


def _has(rights: Rights, role: str, *others: str) -> list[str]:
    ways = rights.closure(role)
    return [f"{ways[other]}: has all that {other} may" for other in others if other in ways and other != role]


def _is_door(right: Right, rights: Rights) -> bool:
    """The right to use the database. Every role has it, and it shows nothing by itself."""
    return (right.privilege, right.kind, right.name) == ("USAGE", "DATABASE", rights.database)
