// The page of the saved checker: reads a package of evidence (a ZIP) or its
// loose files, and checks them with the functions above. It asks no network.
const at = (id) => document.getElementById(id);
const texts = JSON.parse(at("texts").textContent);
const decoder = new TextDecoder("utf-8", { fatal: true });

// unzip reads the central directory of an archive without encryption or ZIP64.
async function unzip(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let end = bytes.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end--;
  if (end < 0) throw new Error(texts["checker.nozip"]);
  const files = new Map();
  let p = view.getUint32(end + 16, true);
  for (let n = view.getUint16(end + 10, true); n > 0; n--) {
    if (view.getUint32(p, true) !== 0x02014b50) throw new Error(texts["checker.nozip"]);
    const method = view.getUint16(p + 10, true), packed = view.getUint32(p + 20, true), size = view.getUint32(p + 24, true);
    const name = decoder.decode(bytes.subarray(p + 46, p + 46 + view.getUint16(p + 28, true)));
    const local = view.getUint32(p + 42, true);
    const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    const data = bytes.subarray(start, start + packed);
    if (size > 64 << 20 || files.has(name)) throw new Error(texts["checker.nozip"]);
    if (method === 0) files.set(name, data);
    else if (method === 8) files.set(name, new Uint8Array(await new Response(new Blob([data]).stream().pipeThrough(new DecompressionStream("deflate-raw"))).arrayBuffer()));
    else throw new Error(texts["checker.nozip"]);
    p += 46 + view.getUint16(p + 28, true) + view.getUint16(p + 30, true) + view.getUint16(p + 32, true);
  }
  return files;
}

// readProof reads C2SP tlog-proof@v1.
function readProof(text) {
  const end = text.indexOf("\n\n");
  const [header, ...lines] = text.slice(0, end).split("\n");
  if (end < 0 || header !== "c2sp.org/tlog-proof@v1") throw new Error("tlog-proof@v1");
  if (lines[0]?.startsWith("extra ")) lines.shift();
  const index = lines.shift().match(/^index (\d+)$/)[1];
  return { index, path: lines.map(fromBase64), note: text.slice(end + 2) };
}

const hex = (b) => [...b].map((x) => x.toString(16).padStart(2, "0")).join("");

async function sums(files) {
  const list = decoder.decode(files.get("SHA256SUMS")).trim().split("\n");
  for (const line of list) {
    const [sum, name] = [line.slice(0, 64), line.slice(66)];
    if (!files.has(name) || hex(await sha256(files.get(name))) !== sum) throw new Error(name);
  }
  return `${list.length}`;
}

async function given(list) {
  const files = new Map();
  for (const file of list) {
    const bytes = new Uint8Array(await file.arrayBuffer());
    if (bytes[0] === 0x50 && bytes[1] === 0x4b) for (const [name, b] of await unzip(bytes)) files.set(name, b);
    else files.set(file.name, bytes);
  }
  return files;
}

at("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const steps = at("steps");
  steps.replaceChildren();
  let all = true;
  const step = async (name, f) => {
    let value = "", good = true;
    try {
      const answer = await f();
      good = answer !== false;
      if (typeof answer === "string") value = answer;
    } catch (e) { good = false; value = e.message; }
    const row = document.createElement("li");
    row.className = good ? "good" : "bad";
    row.textContent = `${good ? "✔" : "✖"} ${texts[name]} ${value}`;
    steps.append(row);
    all = all && good;
  };
  let files, proof, note, leaf, root;
  await step("checker.files", async () => { files = await given(at("files").files); proof = readProof(decoder.decode(files.get("entry.tlog-proof"))); return `№ ${proof.index}`; });
  if (files?.has("SHA256SUMS")) await step("checker.sums", () => sums(files));
  await step("audit.step.note", () => { note = readNote(proof.note); return note.root.length === 32; });
  await step("audit.step.leaf", async () => { leaf = await leafHash(files.get("entry.json")); return toBase64(leaf); });
  await step("audit.step.path", async () => { root = await inclusion(proof.index, note.size, leaf, proof.path); return root !== null && toBase64(root); });
  await step("audit.step.root", () => same(root, note.root));
  await step("audit.step.log", () => signedByLog(note, at("key").value));
  let witnesses = 0;
  for (const key of at("witnesses").value.split("\n").filter((l) => l.trim())) {
    const answer = await cosigned(note, key).catch(() => false);
    if (answer === null) continue;
    await step("checker.witness", async () => answer && key.split("+")[0]);
    if (answer) witnesses++;
  }
  await step("audit.step.quorum", () => witnesses >= Number(at("quorum").value) && `${witnesses} / ${at("quorum").value}`);
  const result = at("result");
  result.className = all ? "good" : "bad";
  result.textContent = all ? texts["audit.proof.proven"] : texts["checker.disproven"];
});
if (!globalThis.crypto?.subtle) at("result").textContent = texts["checker.absent"];
