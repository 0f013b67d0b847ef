// Prisma's client with @prisma/adapter-libsql against a server. The tables are made by SQL: `prisma migrate` needs an
// engine that is no npm package.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createClient } from "@libsql/client";
import { PrismaLibSql } from "@prisma/adapter-libsql";
import { PrismaClient } from "@prisma/client";

const { SLDB_URL: url, SLDB_TOKEN: authToken } = process.env;
const prisma = new PrismaClient({ adapter: new PrismaLibSql({ url, authToken, intMode: "bigint" }) });
after(() => prisma.$disconnect());

const TABLES = `
  CREATE TABLE Author (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, score REAL, born DATETIME, large BIGINT, data BLOB
  );
  CREATE UNIQUE INDEX Author_name_key ON Author (name);
  CREATE TABLE Book (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL, authorId INTEGER NOT NULL,
    CONSTRAINT Book_authorId_fkey FOREIGN KEY (authorId) REFERENCES Author (id) ON DELETE RESTRICT ON UPDATE CASCADE
  );
`;

test("values of each type", async () => {
  const client = createClient({ url, authToken });
  await client.executeMultiple(TABLES);
  client.close();
  const row = {
    name: "ada",
    score: 0.5,
    born: new Date("1815-12-10T01:02:03.004Z"),
    large: 2n ** 62n,
    data: new Uint8Array([0, 255]),
  };
  const made = await prisma.author.create({ data: row });
  const found = await prisma.author.findUnique({ where: { name: "ada" } });
  for (const author of [made, found]) {
    assert.deepEqual({ ...author, data: new Uint8Array(author.data) }, { id: 1, ...row });
  }
});

test("relations, nested writes and aggregates", async () => {
  await prisma.author.create({ data: { name: "bob", books: { create: [{ title: "first" }, { title: "second" }] } } });
  const found = await prisma.author.findMany({ where: { books: { some: {} } }, include: { books: true } });
  assert.deepEqual(found.map((author) => author.books.map((book) => book.title)), [["first", "second"]]);
  const updated = await prisma.book.updateMany({ where: { title: { startsWith: "f" } }, data: { title: "1st" } });
  assert.equal(updated.count, 1);
  const { _count: all, _avg } = await prisma.author.aggregate({ _count: true, _avg: { score: true } });
  assert.deepEqual([all, _avg.score], [2, 0.5]);
  const saved = await prisma.author.upsert({ where: { name: "bob" }, update: { score: 2 }, create: { name: "bob" } });
  assert.equal(saved.score, 2);
  await prisma.author.createMany({ data: [{ name: "c" }, { name: "d" }] });
  assert.equal((await prisma.author.deleteMany({ where: { name: { in: ["c", "d"] } } })).count, 2);
});

test("raw SQL", async () => {
  const rows = await prisma.$queryRaw`SELECT name, ${7} AS seven FROM Author WHERE id = ${1}`;
  assert.deepEqual(rows, [{ name: "ada", seven: 7 }]);
  assert.equal(await prisma.$executeRaw`UPDATE Author SET score = 1 WHERE id = ${1}`, 1);
});

test("transactions, interactive and as a list", async () => {
  const made = await prisma.$transaction(async (tx) => {
    const author = await tx.author.create({ data: { name: "eve" } });
    await tx.book.create({ data: { title: "third", authorId: author.id } });
    return tx.book.count();
  });
  assert.equal(made, 3);
  const lost = prisma.$transaction(async (tx) => {
    await tx.book.deleteMany();
    throw new Error("back");
  });
  await assert.rejects(lost, { message: "back" });
  const list = [prisma.book.deleteMany(), prisma.author.create({ data: { name: "ada" } })];
  await assert.rejects(prisma.$transaction(list), /UNIQUE constraint failed: Author.name/);
  assert.equal(await prisma.book.count(), 3);
});

test("errors", async () => {
  // P2002 and P2003 need SQLite's numbers, which @libsql/client has of local files only.
  await assert.rejects(prisma.author.create({ data: { name: "ada" } }), { code: "P2039" });
  await assert.rejects(prisma.book.create({ data: { title: "none", authorId: 99 } }), /FOREIGN KEY constraint failed/);
  await assert.rejects(prisma.author.delete({ where: { id: 99 } }), { code: "P2025" });
});
