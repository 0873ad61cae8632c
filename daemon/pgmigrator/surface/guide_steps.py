"""The steps of the cutover guide: each a heading and its text, from the facts of one mapping."""

import shlex

from pgmigrator.surface import guide_sql as sql
from pgmigrator.surface.guide_facts import Facts, GuideContext
from pgmigrator.surface.quoting import cell, code
from pgmigrator.surface.status_text import size

_PASSWORDS = {
    "copy": "Roles log in with the passwords that they have on the source.",
    "common": "Roles log in with the common password of the settings until you give them others.",
    "none": "Roles have no password on the destination yet: give them theirs before the cutover.",
}


def _passwords(context: GuideContext) -> str:
    said = _PASSWORDS.get(context.role_passwords, "")
    if context.role_passwords == "common" and context.application_roles:
        said += f" These do: {', '.join(cell(role) for role in context.application_roles)}."
    return said


def prepare(facts: Facts) -> str:
    """Everything that can be done days before."""
    context = facts.context
    user = context.application_roles[0] if context.application_roles else None
    logins = [context.destination.psql(name, user) for name in facts.databases]
    control = (
        "control() {  # control VERB JSON; the token goes through a pipe, not into a process list",
        '  printf \'Authorization: Bearer %s\\n\' "$(cat "$TOKEN_FILE")" |',
        "    curl -sS --fail-with-body -H @- -H 'Content-Type: application/json' \\",
        f'      --data "$2" {shlex.quote(facts.url)}/"$1"',
        "}",
    )
    return f"""Prepare, before the day

- The destination lets the applications in: `pg_hba.conf`, firewalls, certificates, poolers. Try it:

{code("bash", logins)}

- {_passwords(context)}
- Backups and monitoring of the destination run; whoever can stop the applications is there.
- Nobody changes the schema from now on.

{_token(context)}

{code("bash", control)}"""


def look(facts: Facts) -> str:
    """The green light, for people and for scripts."""
    return f"""Look at the light

{
        code(
            "bash",
            (
                f"pgmigrator status {facts.mapping} --url {shlex.quote(facts.context.base_url)}",
                "# or, with exit status 0 only when it is green",
                f"curl -fsS {shlex.quote(facts.url)}",
            ),
        )
    }

Go on only when it says `"ready": true`. What blocks is named there, with its fix."""


def stop_writers(facts: Facts) -> str:
    """Stop the applications; the options for those who cannot be stopped."""
    source = facts.context.source
    return f"""Stop the writers

**Stop** the applications, their workers, cron jobs, pg_cron, and poolers that keep sessions open.

**See who is still there.** Every other session can write after a drain, an idle one too:

{code("bash", source.psql(facts.databases[0] if facts.databases else "postgres"))}

{sql.sessions(facts)}

**End the sessions** of applications that are stopped but did not go (as a superuser or a member of
`pg_signal_backend`), and prepared transactions as their coordinator would, with `COMMIT PREPARED`
or `ROLLBACK PREPARED`:

{sql.terminate(facts)}

**If an application cannot be stopped**, you may close its database, or make it read-only by
default. Either is **your change to the source**: the daemon never makes it, and a dump of the
source with `--create` will show it. Do it after the light is green, and end the sessions as above:
only new ones obey. Neither is carried over to the destination.

Closed, a database lets in superusers alone. The daemon and its replication go on, and the light
stays. Keep what the first statement prints for going back:

{sql.close(facts)}

Read-only, it has more limits: any session may switch that off for itself, so it does not replace
stopping them. Keep the second block for going back:

{sql.read_only(facts)}

{sql.read_write(facts)}

Do not use `ALTER ROLE ... NOLOGIN`, `REVOKE CONNECT` or any other `CONNECTION LIMIT` than 0 for
this: they change what the destination must have as well, and the light may go off."""


def drain(facts: Facts) -> str:
    """The rehearsal of the proof: decides nothing."""
    return f"""Drain

The daemon waits until the destination has everything, sets the sequences, and reads everything
again. It decides nothing and can be repeated, also days before, while the applications write.

{facts.command("drain", " --timeout 60", timeout_seconds=60)}

`200` shows the proof for each database (`"proved": true` and the LSN). `409` names what is missing,
above all who can still write: go back to step 3. Idle sessions that cannot write any more may be
accepted with `--allow-idle` (`"allow_idle": true`); the proof then holds up to its LSN only."""


def switch(facts: Facts) -> str:
    """The decision."""
    limit = size(facts.context.max_retained_wal_bytes)
    return f"""Switch

This drains once more and, if that proves everything applied, disables the subscription and writes
the decision down. From then on nothing of ours writes on the destination.

{facts.command("switch", " --timeout 60", timeout_seconds=60)}

`409`: nothing was decided for what is named; the source is still the truth. The slot stays on the
source, so that late writes are seen and going back stays possible. It keeps WAL: complete within
days. Beyond {limit} the daemon drops it to save the source."""


def redirect(facts: Facts) -> str:
    """Where the applications belong now."""
    target = facts.context.destination
    roles = ", ".join(cell(role) for role in facts.context.application_roles) or "as before"
    rows = [
        f"| {cell(name)} | `{target.host}` | {target.port} | {cell(name)} | {roles} |"
        for name in facts.databases
    ]
    table = "\n".join(["| Database | Host | Port | Name | Roles |", "|---|---|---|---|---|", *rows])
    return f"""Point the applications to the destination

{table}

Change the connection settings (or the pooler, or the DNS name) and start **one** application first.
From its first write on, going back loses that write: see below."""


def verify(facts: Facts) -> str:
    """What must be true now."""
    lines = [facts.status_command(name) for name in facts.databases]
    return f"""Verify

{code("bash", lines)}

Each says `"phase": "switched"` and `"late_writes": 0`. A late write is one that somebody made on
the source after the switch: find that client and stop it; it is not on the destination.

On the destination, in each database: the subscription is off (`f`), and nothing makes transactions
read-only but what you know of (`SHOW` would tell of your own session only):

{sql.verify(facts)}

Materialized views hold what they did after the copy: refresh them, those that read others last.
This writes the statements:

{sql.refresh(facts)}"""


def complete(facts: Facts) -> str:
    """The end, when nobody wants to go back any more."""
    return f"""Complete

When you are sure (hours or days later), remove everything of ours: subscription, slots,
publication and bookkeeping. Nothing else is touched. After this there is no way back with our help.

{facts.command("complete")}

On the source, in each database, nothing of ours is left (both return no row):

{sql.leftovers(facts)}

Then stop the source, or keep it for reading; it is unchanged."""


def stays_behind() -> str:
    """What no replication carries, and what would cut it."""
    return """\
- **Notifications** (`LISTEN`, `NOTIFY`): listeners must listen anew on the destination; what was
  sent and not received is lost.
- **Advisory locks** and other locks: whoever holds one loses it with its session.
- **Temporary tables**, prepared statements, cursors, session settings: they end with their session.
- **Prepared transactions**: they must be committed or rolled back before the switch; a drain names
  them.
- **Publications, subscriptions and logical slots of your own** on the source: create them anew on
  the destination; the next section lists those that there are.

Until you complete, do not close the database as a whole on the source. `ALTER DATABASE ...
ALLOW_CONNECTIONS false` keeps out everybody, and so the stream to the destination and the look for
late writes; `REVOKE CONNECT` does so if the daemon's role is no superuser."""


def go_back(facts: Facts) -> str:
    """Unswitch while that is possible, and the truth after that."""
    return f"""\
**Before the switch** there is nothing to undo: start the applications on the source again.

**After the switch, while the destination has no write of its own:** stop the applications that
point to the destination, take the switch back, and start them on the source. Replication goes on.

{facts.command("unswitch")}

If you made the source read-only, reset that first:

{sql.read_write(facts)}

**After the first write on the destination** `unswitch` is refused. The destination is then the
truth: it has rows that the source does not have, and nothing replicates backwards. Going back to
the source means to lose those writes or to carry them over by hand. Prefer to repair forward.

**After `complete`** the source stays as it was at the switch, and the daemon knows nothing more."""


def refused(facts: Facts) -> str:
    """What each refusal means."""
    rows = (
        (
            "`401`",
            "1",
            "No token was given, or another one than the daemon's (the answer says which): look at"
            " `TOKEN_FILE`.",
        ),
        ("`403`", "1", "No token is configured: set `PGMIGRATOR_HTTP__CONTROL_TOKEN`, restart."),
        (
            "`404`",
            "64",
            "The mapping or database has another name: the answer lists the known ones.",
        ),
        ("`400`", "64", "A parameter is unknown or wrong: the answer names it."),
        (
            "`409` to drain or switch",
            "1",
            "`blocking` and `missing` say what; nothing was decided. Mostly a session: step 3.",
        ),
        (
            "`409` to unswitch",
            "1",
            "The destination has writes of its own, or was not switched: see Going back.",
        ),
        (
            "`409` to complete",
            "1",
            "Not switched, or late writes wait on the source, or it does not answer, and so cannot "
            "say. Look first. "
            '`--force --reason "..."` gives up what they hold; the reason is kept.',
        ),
        (
            "`503`, no answer",
            "2",
            "A server or the daemon does not answer. Nothing is lost: every command can be "
            "repeated as it was. `status` shows what was done.",
        ),
    )
    lines = [f"| {answer} | {code_} | {text} |" for answer, code_, text in rows]
    table = "\n".join(["| Answer | Exit status | What to do |", "|---|---|---|", *lines])
    log = f"Every command leaves a line in the daemon's log (`control request`, {facts.mapping})."
    return f"{table}\n\n{log}"


# --- parts ---------------------------------------------------------------------------------------


def _token(context: GuideContext) -> str:
    if not context.token_configured:
        return (
            "**The verbs are off**: no control token is configured. Set"
            " `PGMIGRATOR_HTTP__CONTROL_TOKEN` (or a secret file of that name) and restart the"
            " daemon; it goes on where it was. Then:\n\n" + _token_by_hand()
        )
    if context.token_file:
        return "The control token is in a file:\n\n" + code(
            "bash", f"TOKEN_FILE={shlex.quote(context.token_file)}"
        )
    return (
        "The control token is the `PGMIGRATOR_HTTP__CONTROL_TOKEN` that the daemon was started"
        " with. This takes it from your shell or asks for it, into a file for you alone:\n\n"
        + _token_by_hand()
    )


def _token_by_hand() -> str:
    return code(
        "bash",
        (
            "TOKEN_FILE=$(mktemp)",
            "TOKEN=$PGMIGRATOR_HTTP__CONTROL_TOKEN",
            '[ "$TOKEN" ] || read -rsp "Control token: " TOKEN',
            'printf %s "$TOKEN" > "$TOKEN_FILE"; unset TOKEN',
        ),
    )
