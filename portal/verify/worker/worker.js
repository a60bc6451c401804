// The worker of /verify: it holds the reader's file and the verifier. The policy
// its script is served with lets it ask no address, so what it was given stays
// here. wasm_exec.js of the Go toolchain stands before these lines.
"use strict";

const ready = new Promise((begin) => { self.begin = begin; });

// said gives what a function of the verifier answered, or throws it.
function said(answer) {
  if (answer.error) throw Object.assign(new Error(answer.error), { kind: answer.kind });
  return { ...JSON.parse(answer.ok), etsi: answer.etsi, pdf: answer.pdf };
}

async function open({ code, material, key }) {
  const go = new Go();
  const { instance } = await WebAssembly.instantiate(code, go.importObject);
  go.run(instance); // runs as long as the worker
  const state = said(self.mistOpen(new Uint8Array(material), key));
  self.begin();
  return state;
}

async function verify({ lang, words, files }) {
  await ready;
  const began = performance.now();
  const list = [];
  for (const file of files) list.push(file.name, new Uint8Array(await file.arrayBuffer()));
  const answer = said(self.mistVerify(lang, words, ...list));
  return { ...answer, milliseconds: Math.round(performance.now() - began) };
}

self.onmessage = async ({ data }) => {
  try {
    const answer = await (data.op === "open" ? open(data) : verify(data));
    self.postMessage({ id: data.id, answer });
  } catch (e) {
    self.postMessage({ id: data.id, error: String(e.message), kind: e.kind || "failed" });
  }
};
