// Runs a .tflite in the page with LiteRT.js: see toolkit/engines/web/page.py.
import * as litert from "@litertjs/core";

// What the engine prints while it compiles, and only there: which operators WebGPU leaves to Wasm. `isFullyAccelerated` counts those that XNNPACK takes.
// It keeps the console's functions when it starts, so they are replaced before.
const LEFT = /operations are not supported by GPU delegate|operations will run on the CPU/;
const TAKEN = /Initializing WebGPU-based API from graph/;
let printed = [];
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

let adapter = null;
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

export async function load(bytes, options) {
  printed = [];
  if (accelerator === null) await start(options.accelerator);
  else model.delete();
  model = await litert.loadAndCompile(bytes, {
    accelerator: options.accelerator, cpuOptions: { numThreads: options.threads },
  });
  refuseInvalid();
  accelerator = model.options.accelerator;
  const fully = model.isFullyAccelerated
    && (accelerator !== "webgpu" || (printed.some((line) => TAKEN.test(line)) && !printed.some((line) => LEFT.test(line))));
  printed = null;
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
