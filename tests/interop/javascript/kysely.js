// Kysely over @libsql/client, by the dialect @libsql/kysely-libsql: queries, transactions, migrations, introspection.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createClient } from "@libsql/client";
import { LibsqlDialect } from "@libsql/kysely-libsql";
import { Kysely, sql } from "kysely";
import { Migrator } from "kysely/migration";

const { SLDB_URL: url, SLDB_TOKEN: authToken } = process.env;
const db = new Kysely({ dialect: new LibsqlDialect({ client: createClient({ url, authToken }) }) });
after(() => db.destroy());

const MIGRATIONS = {
  first: {
    up: async (on) => {
      await on.schema.createTable("kysely_person")
        .addColumn("id", "integer", (column) => column.primaryKey())
        .addColumn("name", "text", (column) => column.notNull().unique())
        .addColumn("age", "integer")
        .execute();
      await on.schema.createIndex("kysely_by_age").on("kysely_person").column("age").execute();
    },
    down: (on) => on.schema.dropTable("kysely_person").execute(),
  },
};

test("migrations run once, and back", async () => {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => MIGRATIONS } });
  const run = async (direction) => {
    const { error, results } = await migrator[direction]();
    assert.equal(error, undefined);
    return results.map((result) => result.status);
  };
  assert.deepEqual(await run("migrateToLatest"), ["Success"]);
  assert.deepEqual(await run("migrateToLatest"), []);
  assert.deepEqual(await run("migrateDown"), ["Success"]);
  assert.deepEqual(await run("migrateToLatest"), ["Success"]);
});

test("the schema", async () => {
  const tables = await db.introspection.getTables();
  const columns = tables.find((table) => table.name === "kysely_person").columns;
  assert.deepEqual(columns.map((column) => column.name), ["id", "name", "age"]);
});

test("insert, select, update, delete", async () => {
  const added = await db.insertInto("kysely_person")
    .values([{ name: "ada", age: 36 }, { name: "bob", age: 41 }])
    .returningAll()
    .execute();
  assert.deepEqual(added.map((row) => ({ ...row })), [{ id: 1, name: "ada", age: 36 }, { id: 2, name: "bob", age: 41 }]);
  const inserted = await db.insertInto("kysely_person").values({ name: "eve" }).executeTakeFirst();
  assert.deepEqual([inserted.insertId, inserted.numInsertedOrUpdatedRows], [3n, 1n]);
  const updated = await db.updateTable("kysely_person").set({ age: 1 }).where("name", "=", "eve").executeTakeFirst();
  assert.equal(updated.numUpdatedRows, 1n);
  const { all } = await db.selectFrom("kysely_person").select(({ fn }) => fn.sum("age").as("all")).executeTakeFirst();
  assert.equal(all, 78);
  const deleted = await db.deleteFrom("kysely_person").where("age", "<", 10).executeTakeFirst();
  assert.equal(deleted.numDeletedRows, 1n);
  const raw = await sql`SELECT ${"x"} AS a, ${2n} AS b`.execute(db);
  assert.deepEqual({ ...raw.rows[0] }, { a: "x", b: 2 });
});

test("a transaction, and one that rolls back", async () => {
  await db.transaction().execute((trx) => trx.insertInto("kysely_person").values({ name: "in" }).execute());
  const lost = db.transaction().execute(async (trx) => {
    await trx.deleteFrom("kysely_person").execute();
    const { n } = await trx.selectFrom("kysely_person").select((eb) => eb.fn.countAll().as("n")).executeTakeFirst();
    throw new Error(`back from ${n}`);
  });
  await assert.rejects(lost, { message: "back from 0" });
  const { n } = await db.selectFrom("kysely_person").select((eb) => eb.fn.countAll().as("n")).executeTakeFirst();
  assert.equal(n, 3);
});

test("an error has its code", async () => {
  await assert.rejects(db.insertInto("kysely_person").values({ name: "ada" }).execute(), { code: "SQLITE_CONSTRAINT" });
});
