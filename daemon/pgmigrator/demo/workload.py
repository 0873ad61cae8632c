"""The transactions of the application: each takes a connection and a source of chance.

They never wait for each other in a cycle and never collide on a key, so that any error is the
server's doing. Each writer has a number, and makes keys of its own from it.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, LiteralString
from uuid import UUID

import psycopg

from pgmigrator.demo.application import APP, ARCHIVE, CLERK, MANAGER, SHOP

CUSTOMERS, PRODUCTS, CONTRACTS = 60_000, 25_000, 60_000
IN_2025_H1 = "2025-03-01 00:00+00"
HALF_A_YEAR = "180 days"


@dataclass
class Context:
    """What one writer works with: its connection, its own number and what it made before."""

    connection: psycopg.Connection[Any]
    chance: random.Random
    number: int
    orders: list[int] = field(default_factory=list)
    events: list[int] = field(default_factory=list)

    def run(self, query: LiteralString, *parameters: object) -> int:
        """Run a statement in the transaction; the first column of its first row, or 0."""
        cursor = self.connection.execute(query, parameters)
        row = cursor.fetchone() if cursor.description else None
        return int(row[0]) if row else 0

    def customer(self) -> int:
        """Some customer."""
        return self.chance.randint(1, CUSTOMERS)

    def product(self) -> int:
        """Some product."""
        return self.chance.randint(1, PRODUCTS)


Transaction = Callable[[Context], None]


@dataclass(frozen=True)
class WriterKind:
    """A session of a role in a database, and the transactions it takes turns in."""

    role: str
    database: str
    transactions: tuple[Transaction, ...]


def place_order(ctx: Context) -> None:
    """Insert with a cached sequence, into a partitioned table and one that belongs to it."""
    order = ctx.run(
        "INSERT INTO sales.orders (ordered_at, customer_id, remark)"
        " VALUES (%s, %s, %s) RETURNING id",
        IN_2025_H1,
        ctx.customer(),
        "from the web",
    )
    for line in range(1, ctx.chance.randint(2, 4)):
        ctx.run(
            "INSERT INTO sales.order_item VALUES (%s, %s, %s, %s, %s)",
            order,
            line,
            ctx.product(),
            ctx.chance.randint(1, 9),
            ctx.chance.randint(1, 99),
        )
    ctx.run("UPDATE sales.orders SET total = sales.order_total(id) WHERE id = %s", order)
    ctx.orders.append(order)


def move_order(ctx: Context) -> None:
    """Update a row from one partition to another."""
    if ctx.orders:
        ctx.run(
            "UPDATE sales.orders SET ordered_at = ordered_at + %s::interval, status = 'paid'"
            " WHERE id = %s AND ordered_at = %s",
            HALF_A_YEAR,
            ctx.chance.choice(ctx.orders),
            IN_2025_H1,
        )


def cancel_order(ctx: Context) -> None:
    """Delete an order and its items."""
    if len(ctx.orders) > 20:
        order = ctx.orders.pop(0)
        ctx.run("DELETE FROM sales.order_item WHERE order_id = %s", order)
        ctx.run("DELETE FROM sales.orders WHERE id = %s", order)


def upsert_product(ctx: Context) -> None:
    """INSERT ... ON CONFLICT DO UPDATE; a new price fires the trigger."""
    ctx.run(
        "INSERT INTO catalog.product (category_id, sku, title, price, tags)"
        " VALUES (%s, %s, 'from the supplier', %s, ARRAY['imported'])"
        " ON CONFLICT (sku) DO UPDATE SET price = excluded.price, updated_at = now()",
        ctx.chance.randint(1, 80),
        f"SKU-{ctx.number}-{ctx.chance.randint(1, 500)}",
        ctx.chance.randint(1, 9999),
    )


def merge_stock(ctx: Context) -> None:
    """MERGE that inserts, updates or deletes, on names with spaces and umlauts."""
    ctx.run(
        'MERGE INTO "Lager Süd"."Größe & Farbe" t USING (VALUES (%s::int, %s::int)) v (nr, n)'
        ' ON t."Nr." = v.nr'
        ' WHEN MATCHED AND v.n = 0 AND t."Nr." > 100000 THEN DELETE'
        ' WHEN MATCHED THEN UPDATE SET "Stück" = v.n, "Größe" = \'größer \' || v.n'
        ' WHEN NOT MATCHED THEN INSERT ("Nr.", "Größe", "Farbe (RGB)")'
        " VALUES (v.nr, 'neu', '{1,2,3}')",
        ctx.number * 100_000 + ctx.chance.randint(1, 300),
        ctx.chance.randint(0, 5),
    )


def edit_product(ctx: Context) -> None:
    """Update jsonb, an array, an enum and bytea of a row."""
    ctx.run(
        "UPDATE catalog.product SET attributes = attributes || %s, tags = tags[2:] || %s::text,"
        " status = 'retired', dimensions_mm[1] = dimensions_mm[1] + 1,"
        " picture = sha256(coalesce(picture, '')), price = price + 0.01 WHERE id = %s",
        json.dumps({"edited": ctx.chance.random()}),
        f"edited {ctx.number}",
        ctx.product(),
    )


def log_events(ctx: Context) -> None:
    """Insert rows in a batch."""
    for _ in range(3):
        event = ctx.run(
            "INSERT INTO audit.event (actor, kind, payload) VALUES (current_user, 'view', %s)"
            " RETURNING id",
            json.dumps({"page": ctx.chance.randint(1, 999), "höhe": 1.5}),
        )
        ctx.events.append(event)


def prune_events(ctx: Context) -> None:
    """Delete rows, of the load and of one's own."""
    ctx.run("DELETE FROM audit.event WHERE id = %s", ctx.chance.randint(1, 370_000))
    if ctx.events:
        ctx.run("DELETE FROM audit.event WHERE id = %s", ctx.events.pop())


def change_customer(ctx: Context) -> None:
    """Update some columns of a wide row, and add a row with a serial key."""
    ctx.run(
        "UPDATE sales.customer SET credit_limit = credit_limit * 1.01,"
        " address = address || '{\"moved\": true}' WHERE id = %s",
        ctx.customer(),
    )
    ctx.run(
        "INSERT INTO sales.customer (email, name, address)"
        " VALUES ('new' || gen_random_uuid() || '@example.com', 'New', '{}')"
    )


def keep_session(ctx: Context) -> None:
    """Insert, update and delete rows that a unique index identifies."""
    token = UUID(int=ctx.chance.getrandbits(128))
    ctx.run("INSERT INTO sales.session VALUES (%s, %s)", token, ctx.customer())
    ctx.run("UPDATE sales.session SET seen_at = clock_timestamp() WHERE token = %s", token)
    if ctx.chance.random() < 0.5:
        ctx.run("DELETE FROM sales.session WHERE token = %s", token)


def show_notice(ctx: Context) -> None:
    """Update and add rows that nothing but the whole row identifies."""
    area = f"area {ctx.chance.randint(0, 9)}"
    ctx.run("UPDATE sales.notice SET shown = shown + 1 WHERE area = %s", area)


def change_mind(ctx: Context) -> None:
    """Write a lot and roll it back; the sequence's values are gone all the same."""
    ctx.run(
        "INSERT INTO audit.event (actor, kind, payload)"
        " SELECT 'nobody', 'never', '{}' FROM generate_series(1, 20)"
    )
    raise psycopg.Rollback


def ship_order(ctx: Context) -> None:
    """Update the one column that the role may update, through the parent of all partitions."""
    day = f"2024-05-{ctx.chance.randint(1, 28):02} 00:00+00"
    ctx.run(
        "UPDATE sales.orders SET status = 'shipped' WHERE status IN ('new', 'paid')"
        " AND ordered_at >= %s AND ordered_at < %s::timestamptz + interval '1 hour'",
        day,
        day,
    )


def open_ticket(ctx: Context) -> None:
    """Insert with a descending sequence, and delete another."""
    ctx.run(
        "INSERT INTO sales.ticket (customer_id, subject) VALUES (%s, 'Where is it?')",
        ctx.customer(),
    )
    ctx.run("DELETE FROM sales.ticket WHERE id = %s", -ctx.chance.randint(1, 5000))


def file_contract(ctx: Context) -> None:
    """Insert a page of bytea, with an identity key."""
    ctx.run(
        'INSERT INTO "Archiv"."Vertrag" ("Kundennummer", "Betrag", "Seite") VALUES (%s, %s, %s)',
        ctx.chance.randint(1, 20_000),
        ctx.chance.random() * 1e6,
        ctx.chance.randbytes(1200),
    )


def check_contract(ctx: Context) -> None:
    """Update an enum; the page stays."""
    ctx.run(
        'UPDATE "Archiv"."Vertrag" SET "Zustand" = \'geprüft\', "geändert am" = now()'
        " WHERE id = %s",
        95 + 5 * ctx.chance.randint(1, CONTRACTS),
    )


def amend_attachment(ctx: Context) -> None:
    """Update beside and inside of a value that lives outside of its row, in a TOAST table."""
    ctx.run(
        'UPDATE "Archiv"."Anlage" SET "Text" = "Text" || \'.\' WHERE id = %s',
        ctx.chance.randint(1, 2000),
    )


def drop_contract(ctx: Context) -> None:
    """Delete a contract."""
    ctx.run(
        'DELETE FROM "Archiv"."Vertrag" WHERE id = %s',
        95 + 5 * ctx.chance.randint(1, CONTRACTS),
    )


SALES = (place_order, place_order, move_order, cancel_order, change_customer, keep_session)
CATALOGUE = (upsert_product, merge_stock, edit_product, log_events, prune_events, change_mind)
WRITERS = (
    WriterKind(APP, SHOP, SALES),
    WriterKind(APP, SHOP, CATALOGUE),
    WriterKind(APP, SHOP, (*SALES, *CATALOGUE, show_notice)),
    WriterKind(CLERK, SHOP, (ship_order, open_ticket)),
    WriterKind(MANAGER, ARCHIVE, (file_contract, check_contract, amend_attachment, drop_contract)),
)
