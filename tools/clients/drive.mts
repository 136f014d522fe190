// One job by a generated TypeScript client (@hey-api/openapi-ts): upload, publish, order, wait, read the values.
import { createClient } from "./client/client/index.js";
import * as api from "./client/sdk.gen.js";

declare const process: { env: Record<string, string>; stdout: { write(text: string): void } };

const rows = [0, 1, 2].map(
  (seed) => "u,v,label\n" + Array.from({ length: 40 }, (_, i) => `${i % 7},${i % 5}.${seed},${"abc"[i % 3]}\n`).join(""),
);
const client = (role: string) =>
  createClient({ baseUrl: process.env.CHERISH_API, auth: process.env[`CHERISH_${role}`], throwOnError: true });
type Client = ReturnType<typeof client>;

async function uploaded(owner: Client, content: string, kind: "train" | "test"): Promise<string> {
  const made = await api.createDataset({ client: owner, body: { name: kind, target: "label", kind }, throwOnError: true });
  const path = { dataset_id: made.data.id };
  await api.putDatasetContent({ client: owner, path, body: new Blob([content]), throwOnError: true });
  return made.data.id;
}

const offered: string[] = [];
for (const [number, role] of ["PROVIDER", "SECOND"].entries()) {
  const owner = client(role);
  const id = await uploaded(owner, rows[number], "train");
  await api.publishDataset({ client: owner, path: { dataset_id: id }, body: { licence: { spdx: "CC0-1.0" } }, throwOnError: true });
  offered.push(id);
}
const buyer = client("BUYER");
const test = await uploaded(buyer, rows[2], "test");
const body = { datasets: offered, test_dataset: test, pool: "10.00" };
let job = (await api.createValuation({ client: buyer, body, throwOnError: true })).data;
const path = { valuation_id: job.id };
const ends = Date.now() + 120_000;
while (!["succeeded", "failed"].includes(job.status)) {
  if (Date.now() > ends) throw new Error(job.status);
  await new Promise((done) => setTimeout(done, 300));
  job = (await api.getValuation({ client: buyer, path, throwOnError: true })).data;
}
if (job.status !== "succeeded") throw new Error(job.error ?? job.status);
const values = (await api.getValues({ client: buyer, path, throwOnError: true })).data;
// without a question there is nothing to be computed
if (!("players" in values)) throw new Error("pending");
if (values.players.length !== 2) throw new Error("two players");
process.stdout.write(`a job of ${values.players.length} players, ${values.players[0].provider}: ${values.players[0].value}\n`);
