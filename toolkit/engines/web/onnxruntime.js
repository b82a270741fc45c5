// Runs an .onnx in the page with ONNX Runtime Web on Wasm: see toolkit/engines/web/page.py.
import * as ort from "onnxruntime-web";

let session = null;

export async function load(bytes, options) {
  ort.env.wasm.wasmPaths = "/packages/onnxruntime-web/dist/";
  ort.env.wasm.numThreads = options.threads;
  ort.env.logLevel = "error";
  if (session !== null) await session.release();
  session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"], graphOptimizationLevel: "all" });
  // This build of the engine has the provider "wasm" alone, and `create` fails without it.
  return { accelerator: "wasm", adapter: null, fully: true, version: ort.env.versions.web };
}

// A page has no arrays of float16: the engine takes and gives their bits.
const BITS = { float16: "uint16" };

export async function call(inputs) {
  const feeds = {};
  for (const [name, { dtype, shape, values }] of Object.entries(inputs)) feeds[name] = new ort.Tensor(dtype, values, shape);
  const outputs = {};
  const given = await session.run(feeds);
  for (const [name, tensor] of Object.entries(given)) {
    const values = await tensor.getData();
    outputs[name] = { dtype: BITS[tensor.type] ?? tensor.type, shape: tensor.dims, values };
  }
  return outputs;
}
