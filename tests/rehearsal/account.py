"""A Snowflake account's objects besides data: roles, rights, warehouses, monitors, policies, and who may create them.

fakesnow has none of these. An account remembers what statements create, and answers SHOW, DESCRIBE and USE. It refuses
what Snowflake would: an existing object, a right on a missing one, a role that nobody has. It does not check rights in
queries; the tests of the grants cover who may read what.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field

SYSTEM_ROLES = ("ACCOUNTADMIN", "SYSADMIN", "SECURITYADMIN", "USERADMIN", "PUBLIC")
# Which system role creates what, besides ACCOUNTADMIN, who may create everything.
_MAKERS = {"ROLE": "USERADMIN", "RESOURCE MONITOR": "", "EXTERNAL ACCESS INTEGRATION": "", "GRANT": "SECURITYADMIN"}
# Objects that fakesnow creates too, and objects that it cannot create.
_SHARED = ("DATABASE", "SCHEMA", "STAGE", "TABLE")
_OURS = "WAREHOUSE|ROLE|RESOURCE MONITOR|MASKING POLICY|NETWORK RULE|SECRET|EXTERNAL ACCESS INTEGRATION"
_CREATE = re.compile(
    rf"CREATE (?P<kind>{'|'.join(_SHARED)}|{_OURS}) (?P<careful>IF NOT EXISTS )?(?P<name>[\w.]+)(?P<rest>.*)",
    re.I | re.S,
)
_DONE = "select 'Statement executed successfully.' as \"status\""


@dataclass
class Refused(Exception):
    """A refusal by the server."""

    errno: int
    sqlstate: str
    message: str


@dataclass
class Session:
    """The settings of a session."""

    role: str | None = None
    warehouse: str | None = None
    query_tag: str = ""
    user: str = ""
    # ALL or an empty string. None means the user's default.
    secondary_roles: str | None = None


@dataclass
class Account:
    """Objects by kind and full name, each with its properties, and rights as they were granted."""

    objects: dict[str, dict[str, dict]] = field(default_factory=dict)
    grants: list[tuple[str, str, str, str]] = field(default_factory=list)  # privilege, kind, name, role
    future: list[tuple[str, str, str, str]] = field(default_factory=list)  # privilege, kind, schema, role
    members: list[tuple[str, str]] = field(default_factory=list)  # role, role that has it
    users: dict[str, str] = field(default_factory=dict)  # name -> its secondary roles, if they were set
    holders: list[tuple[str, str]] = field(default_factory=list)  # role, user that has it
    masks: dict[str, dict[str, str]] = field(default_factory=dict)  # table -> column -> policy
    parameters: dict[str, str] = field(default_factory=dict)  # DATABASE.PARAMETER -> value
    # Statements that changed something here, in order.
    changes: list[str] = field(default_factory=list)
    # Query tags that sessions have set, in order.
    tags: list[str] = field(default_factory=list)

    @property
    def is_set_up(self) -> bool:
        """Whether any role was created. Before that, any role and any warehouse is accepted."""
        return bool(self.objects.get("ROLE"))

    def answer(self, sql: str, session: Session) -> str | None:
        """SQL that fakesnow must run in place of a statement. None if fakesnow runs the statement itself.

        Raises:
            Refused: Snowflake would refuse the statement.
        """
        plain = re.sub(r"/\*.*?\*/", " ", sql, flags=re.S)
        plain = re.sub(r"\s+", " ", plain).strip().rstrip(";").strip()
        for pattern, act in _ACTS:
            if match := pattern.fullmatch(plain):
                return act(self, match, session, plain)
        self._needs_warehouse(plain, session)
        chosen = {"warehouse": session.warehouse, "role": session.role, "user": session.user}
        chosen["secondary_roles"] = self._secondary_roles(session)
        found = re.compile(r"\bcurrent_(warehouse|role|user|secondary_roles)\(\)", re.I)
        if found.search(plain):
            return found.sub(lambda one: _literal(chosen[one[1].lower()]), sql)
        return None

    def has(self, kind: str, name: str) -> bool:
        return name.upper() in self.objects.get(kind, {})

    def check_role(self, role: str | None) -> None:
        """Raise Refused for a login with a role that does not exist."""
        if self.is_set_up and role and not self._is_role(role):
            raise Refused(
                390189,
                "08004",
                f"Role '{role.upper()}' specified in the connect string does not exist or not authorized. Contact your "
                "local system administrator, or attempt to login with another role, e.g. PUBLIC.",
            )

    # --- statements

    def _create(self, match: re.Match, session: Session, sql: str) -> str | None:
        kind, name = match["kind"].upper(), match["name"].upper()
        if not self._may_create(kind, name, session.role):
            self._by(_MAKERS.get(kind, "SYSADMIN"), kind, session)
        instead = re.sub(r" with managed access$", "", sql, flags=re.I) if kind in _SHARED else _DONE
        if self.has(kind, name):
            if not match["careful"] and kind in _OURS:
                raise Refused(2002, "42710", f"SQL compilation error:\nObject '{name}' already exists.")
            return instead
        pairs = re.findall(r"(\w+) = '?([^'\s]+)'?", match["rest"])
        self.objects.setdefault(kind, {})[name] = {
            **{key.lower(): value for key, value in pairs},
            "owner": session.role,
            "text": match["rest"].strip(),
        }
        self.changes.append(sql)
        return instead

    def _grant(self, match: re.Match, session: Session, sql: str) -> str:
        self._by(_MAKERS["GRANT"], "GRANT", session)
        privilege, name, role = match["privilege"].upper(), match["name"].upper(), match["role"].upper()
        kind = {"TABLES": "TABLE", "VIEWS": "VIEW"}.get(match["kind"].upper(), match["kind"].upper())
        which = (match["which"] or "").strip().upper()
        holder = "SCHEMA" if which else {"INTEGRATION": "EXTERNAL ACCESS INTEGRATION"}.get(kind, kind)
        if not self._is_role(role) or not self.has(holder, name):
            raise _missing(holder if self._is_role(role) else "Role", name if self._is_role(role) else role)
        if which != "ALL":
            self._note(self.future if which == "FUTURE" else self.grants, (privilege, kind, name, role), sql)
        return _DONE

    def _grant_role(self, match: re.Match, session: Session, sql: str) -> str:
        role, other = match["role"].upper(), match["other"].upper()
        if match["database"]:
            self._by("", "GRANT", session)
            self._note(self.grants, ("USAGE", "DATABASE_ROLE", role, other), sql)
            return _DONE
        self._by(_MAKERS["GRANT"], "GRANT", session)
        for one in (role, other):
            if not self._is_role(one):
                raise _missing("Role", one)
        self._note(self.members, (role, other), sql)
        return _DONE

    def _user(self, match: re.Match, session: Session, sql: str) -> str:
        name = match["name"].upper()
        if match["change"].lower() == "create":
            self._by("USERADMIN", "USER", session)
        elif name not in self.users:
            raise _missing("User", name)
        roles = re.search(r"default_secondary_roles = \(([^)]*)\)", match["rest"], re.I)
        # Since 2024, a user without this setting has all of their roles at once.
        self.users[name] = roles[1].strip("' ").upper() if roles else self.users.get(name, "ALL")
        self.changes.append(sql)
        return _DONE

    def _grant_to_user(self, match: re.Match, session: Session, sql: str) -> str:
        self._by(_MAKERS["GRANT"], "GRANT", session)
        for kind, name, is_there in (("Role", match["role"], self._is_role), ("User", match["user"], self._is_user)):
            if not is_there(name):
                raise _missing(kind, name.upper())
        self._note(self.holders, (match["role"].upper(), match["user"].upper()), sql)
        return _DONE

    def _mask(self, match: re.Match, session: Session, sql: str) -> str:
        if not self.has("MASKING POLICY", match["policy"]):
            raise _missing("Masking policy", match["policy"].upper())
        columns = self.masks.setdefault(match["table"].upper(), {})
        if match["column"].upper() in columns:
            raise Refused(3596, "23001", f"Column {match['column'].upper()} already attached to a masking policy.")
        columns[match["column"].upper()] = match["policy"].upper()
        self.changes.append(sql)
        return _DONE

    def _alter(self, match: re.Match, session: Session, sql: str) -> str:
        kind, name = match["kind"].upper(), match["name"].upper()
        self._by("" if match["setting"].lower() in ("resource_monitor", "credit_quota") else "SYSADMIN", kind, session)
        if kind == "DATABASE":
            self.parameters[f"{name}.{match['setting'].upper()}"] = match["value"]
        elif not self.has(kind, name):
            raise _missing(kind.capitalize(), name)
        else:
            self.objects[kind][name][match["setting"].lower()] = match["value"]
        self.changes.append(sql)
        return _DONE

    def _use(self, match: re.Match, session: Session, sql: str) -> str:
        kind, name = match["kind"].upper(), match["name"].strip('"').upper()
        known = self._is_role(name) if kind == "ROLE" else self.has(kind, name)
        if self.is_set_up and not known:
            raise Refused(
                2043, "02000", "SQL compilation error:\nObject does not exist, or operation cannot be performed."
            )
        setattr(session, kind.lower(), name)
        return _DONE

    def _use_secondary(self, match: re.Match, session: Session, sql: str) -> str:
        session.secondary_roles = "" if match["which"].upper() == "NONE" else "ALL"
        return _DONE

    def _tag(self, match: re.Match, session: Session, sql: str) -> str:
        session.query_tag = match["tag"] or ""
        self.tags.append(session.query_tag)
        return _DONE

    # --- answers

    def _show(self, match: re.Match, session: Session, sql: str) -> str:
        kind = (
            match["kind"].upper().removesuffix("S") if match["kind"].upper() != "MASKING POLICIES" else "MASKING POLICY"
        )
        kind = {"INTEGRATION": "EXTERNAL ACCESS INTEGRATION"}.get(kind, kind)
        rows = []
        for name, properties in self.objects.get(kind, {}).items():
            *above, last = name.split(".")
            database, schema = [*above, "", ""][:2]
            rows.append(
                {
                    "name": last,
                    "database_name": database,
                    "schema_name": schema,
                    "resource_monitor": properties.get("resource_monitor", "null"),
                    "size": properties.get("warehouse_size", ""),
                    "owner": properties["owner"] or "",
                }
            )
        return _rows(rows, "name database_name schema_name resource_monitor size owner")

    def _show_grants(self, match: re.Match, session: Session, sql: str) -> str:
        role = match["role"].upper()
        if not self._is_role(role):
            raise _missing("Role", role)
        if match["direction"].upper() == "OF":
            rows = [
                {"role": one, "granted_to": "ROLE", "grantee_name": other} for one, other in self.members if one == role
            ]
            return _rows(rows, "role granted_to grantee_name")
        if match["future"]:
            rows = [
                {"privilege": privilege, "grant_on": kind, "name": f"{schema}.<{kind}>", "grantee_name": role}
                for privilege, kind, schema, other in self.future
                if other == role
            ]
            return _rows(rows, "privilege grant_on name grantee_name")
        rows = [
            {"privilege": privilege, "granted_on": kind, "name": name, "grantee_name": role}
            for privilege, kind, name, other in self.grants
            if other == role
        ]
        rows += [
            {"privilege": "USAGE", "granted_on": "ROLE", "name": one, "grantee_name": role}
            for one, other in self.members
            if other == role
        ]
        return _rows(rows, "privilege granted_on name grantee_name")

    def _show_parameter(self, match: re.Match, session: Session, sql: str) -> str:
        value = self.parameters.get(f"{match['database']}.{match['name']}".upper(), "")
        return _rows([{"key": match["name"], "value": value}], "key value")

    def _show_tag(self, match: re.Match, session: Session, sql: str) -> str:
        return _rows([{"key": "QUERY_TAG", "value": session.query_tag}], "key value")

    def _describe(self, match: re.Match, session: Session, sql: str) -> str | None:
        name = match["table"].replace('"', "").upper()
        masks = self.masks.get(name)
        if not masks:
            return None
        # Taken from its CREATE TABLE, because fakesnow's own answer cannot be joined to.
        columns = re.findall(r"(\w+) ([a-z_]+(?:\([\d,]+\))?)(?:, |\)$)", self.objects["TABLE"][name]["text"])
        rows = [
            {"name": column.upper(), "type": _described(data_type), "kind": "COLUMN", "null?": "Y"}
            | {"policy name": masks.get(column.upper())}
            for column, data_type in columns
        ]
        return _rows(rows, "name,type,kind,null?,default,primary key,unique key,check,expression,comment,policy name")

    # --- rules

    def _needs_warehouse(self, sql: str, session: Session) -> None:
        works = re.match(
            r"(with|select|insert|delete|update|merge|copy|call|execute immediate|create .* as )\b", sql, re.I
        )
        if not works or not self.is_set_up or not re.search(r"\b(from|into|values|call)\b", sql, re.I):
            return
        if session.warehouse is None or not self.has("WAREHOUSE", session.warehouse):
            raise Refused(
                606,
                "57P03",
                "No active warehouse selected in the current session.  Select an active warehouse with the 'use "
                "warehouse' command.",
            )
        monitor = self.objects["WAREHOUSE"][session.warehouse].get("resource_monitor", "")
        if self.objects.get("RESOURCE MONITOR", {}).get(monitor.upper(), {}).get("credit_quota") == "0":
            raise Refused(
                90073,
                "22000",
                f"Warehouse '{session.warehouse}' cannot be resumed because resource monitor '{monitor}' has exceeded "
                "its quota.",
            )

    def _by(self, maker: str, kind: str, session: Session) -> None:
        if self.is_set_up and session.role is not None and session.role not in ("ACCOUNTADMIN", maker):
            raise Refused(
                3001,
                "42501",
                f"SQL access control error:\nInsufficient privileges to operate on {kind.lower()} 'ACCOUNT'",
            )

    def _may_create(self, kind: str, name: str, role: str | None) -> bool:
        """Whether a role has the right to create such an object in the schema that the name contains."""
        had, waiting = set(), [role]
        while waiting:
            had.add(one := waiting.pop())
            waiting += [other for other, holder in self.members if holder == one and other not in had]
        schema = name.rpartition(".")[0]
        # A name may leave out the database, which is then the session's.
        return any(
            given == f"CREATE {kind}" and where == "SCHEMA" and f".{place}".endswith(f".{schema}") and holder in had
            for given, where, place, holder in self.grants
        )

    def _is_role(self, name: str) -> bool:
        return name.upper() in SYSTEM_ROLES or self.has("ROLE", name)

    def _is_user(self, name: str) -> bool:
        return name.upper() in self.users

    def _secondary_roles(self, session: Session) -> str:
        value = self.users.get(session.user, "ALL") if session.secondary_roles is None else session.secondary_roles
        roles = [role for role, user in self.holders if user == session.user and role != session.role and value]
        return json.dumps({"roles": ",".join(roles), "value": value})

    def _note(self, where: list, what: tuple, sql: str) -> None:
        if what not in where:
            where.append(what)
            self.changes.append(sql)


def _missing(kind: str, name: str) -> Refused:
    return Refused(2003, "02000", f"SQL compilation error:\n{kind} '{name}' does not exist or not authorized.")


def _described(data_type: str) -> str:
    names = {"varchar": "VARCHAR(16777216)", "timestamp_ntz": "TIMESTAMP_NTZ(9)", "integer": "NUMBER(38,0)"}
    return names.get(data_type, data_type.upper().replace("DECIMAL", "NUMBER"))


def _literal(value: str | None) -> str:
    return "null" if value is None else "'" + value.replace("'", "''") + "'"


def _rows(rows: list[dict], names: str) -> str:
    """A query that returns rows of texts, with SHOW's lowercase column names."""
    columns = names.split(",") if "," in names else names.split()
    selects = [", ".join(f'{_literal(row.get(name))} as "{name}"' for name in columns) for row in rows]
    if not selects:
        return "select " + ", ".join(f"'' as \"{name}\"" for name in columns) + " where false"
    return " union all ".join(f"select {select}" for select in selects)


def _statement(pattern: str) -> re.Pattern:
    return re.compile(pattern, re.I | re.S)


_ACTS: list[tuple[re.Pattern, Callable]] = [
    (_CREATE, Account._create),
    (
        _statement(
            r"grant (?P<privilege>[\w ]+?) on (?P<which>all |future )?(?P<kind>\w+)(?: in schema)? (?P<name>[\w.]+)"
            r" to role (?P<role>\w+)"
        ),
        Account._grant,
    ),
    (_statement(r"grant (?P<database>database )?role (?P<role>[\w.]+) to role (?P<other>\w+)"), Account._grant_role),
    (
        _statement(
            r"alter table (?P<table>[\w.]+) modify column (?P<column>\w+) set masking policy (?P<policy>[\w.]+)"
        ),
        Account._mask,
    ),
    (
        _statement(
            r"alter (?P<kind>warehouse|database|resource monitor) (?P<name>\w+)"
            r" set (?P<setting>\w+) = (?P<value>[\w.]+)"
        ),
        Account._alter,
    ),
    (_statement(r"grant role (?P<role>\w+) to user (?P<user>\w+)"), Account._grant_to_user),
    (_statement(r"(?P<change>create|alter) user (?:if not exists )?(?P<name>\w+)(?P<rest> .*)"), Account._user),
    (_statement(r"use secondary roles (?P<which>all|none)"), Account._use_secondary),
    (_statement(r"use (?P<kind>role|warehouse) (?P<name>[\w\"]+)"), Account._use),
    (_statement(r"alter session (?:set query_tag = '(?P<tag>.*)'|unset query_tag)"), Account._tag),
    (_statement(r"show parameters like 'query_tag' in session"), Account._show_tag),
    (_statement(r"show parameters like '(?P<name>\w+)' in database (?P<database>\w+)"), Account._show_parameter),
    (_statement(r"show (?P<future>future )?grants (?P<direction>to|of) role (?P<role>\w+)"), Account._show_grants),
    (
        _statement(
            r"show (?P<kind>databases|schemas|stages|warehouses|roles|resource monitors|masking policies|network rules"
            r"|secrets|integrations)(?: in database \w+)?"
        ),
        Account._show,
    ),
    (_statement(r"desc(?:ribe)? table (?P<table>[\w.\"]+)"), Account._describe),
]
