// Runs a .tflite in the page with LiteRT.js: see toolkit/engines/web/page.py.
import * as litert from "@litertjs/core";

// What the engine prints while it works, and only there: why a kernel refuses, and which operators WebGPU leaves to Wasm. `isFullyAccelerated` counts
// those that XNNPACK takes. It keeps the console's functions when it starts, so they are replaced before.
const LEFT = /operations are not supported by GPU delegate|operations will run on the CPU/;
const TAKEN = /Initializing WebGPU-based API from graph/;
let printed = null;
for (const level of ["log", "info", "warn", "error"]) {
  const print = console[level].bind(console);
  console[level] = (...words) => {
    printed?.push(words.join(" "));
    print(...words);
  };
}

// A shader that is invalid is no error to the engine: it goes on, and what it then gives was not computed.
let invalid = null;
function refuseInvalid() {
  if (invalid !== null) throw new Error(`WebGPU calls what the engine made invalid: ${invalid}`);
}
if (globalThis.GPUAdapter) {
  const request = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = async function (...asked) {
    const device = await request.apply(this, asked);
    device.addEventListener("uncapturederror", ({ error }) => { invalid ??= error.message; });
    return device;
  };
}

// Runs what the engine does for one request; an error has its words and the errors that it printed. It prints some errors only, and goes on: a kernel
// that fails to prepare, a custom operator that is not there. What it then gives was not computed. After a trap its memory is in no known state: some
// of its functions never return then, so none is called.
let trapped = null;
async function working(request) {
  if (trapped !== null) throw new Error(`the engine ended before: ${trapped}`);
  printed = [];
  const errors = () => printed.filter((line) => line.startsWith("ERROR") && !LEFT.test(line));
  try {
    const given = await request();
    if (errors().length > 0) throw new Error("the engine went on after an error");
    return given;
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) trapped = error.message;
    throw new Error([...new Set([String(error?.message ?? error), ...errors()])].join("; "));
  } finally {
    printed = null;
  }
}

let adapter = null;
let started = false;
let model = null;
let signature = null;
let accelerator = null;

async function start(asked) {
  if (asked === "webgpu") {
    const found = await navigator.gpu?.requestAdapter();
    if (!found) throw new Error("this browser has no WebGPU adapter");
    adapter = found.info.architecture || found.info.vendor;
  }
  await litert.loadLiteRt("/packages/@litertjs/core/wasm/", { jspi: asked === "webgpu" });
}

async function compile(bytes, options) {
  if (!started) await start(options.accelerator);
  started = true;
  model?.delete();
  model = null;
  model = await litert.loadAndCompile(bytes, {
    accelerator: options.accelerator, cpuOptions: { numThreads: options.threads },
  });
  refuseInvalid();
  accelerator = model.options.accelerator;
  return model.isFullyAccelerated
    && (accelerator !== "webgpu" || (printed.some((line) => TAKEN.test(line)) && !printed.some((line) => LEFT.test(line))));
}

export async function load(bytes, options) {
  const fully = await working(() => compile(bytes, options));
  const known = Object.keys(model.signatures);
  if (options.signature !== null && !known.includes(options.signature)) {
    throw new Error(`no signature ${options.signature}; known: ${known.join(", ")}`);
  }
  signature = options.signature === null ? model.defaultSignature : model.signatures[options.signature];
  return {
    accelerator, adapter, fully,
    relaxed: await litert.supportsFeature("relaxedSimd"),
  };
}

export async function call(inputs) {
  return await working(() => run(inputs));
}

async function run(inputs) {
  const tensors = {};
  const outputs = {};
  let given = {};
  try {
    for (const [name, { shape, values }] of Object.entries(inputs)) tensors[name] = new litert.Tensor(values, shape);
    given = await signature.run(tensors);
    for (const [name, tensor] of Object.entries(given)) {
      if (tensor.accelerator !== accelerator) throw new Error(`output ${name} comes from ${tensor.accelerator}, not from ${accelerator}`);
      outputs[name] = { dtype: tensor.type.dtype, shape: tensor.type.layout.dimensions, values: await tensor.data() };
    }
    refuseInvalid();
  } finally {
    for (const tensor of [...Object.values(tensors), ...Object.values(given)]) tensor.delete();
  }
  return outputs;
}
