// The page's end of toolkit/engines/web/page.py: takes bytes in pieces, and hands arrays to the script that runs a model. The frame of a phone, which
// gets its bytes whole, uses `hold` and `run`.
import { call as callModel, load as loadModel } from "/script.js";

const pieces = new Map();

const ARRAYS = {
  float32: Float32Array, float64: Float64Array, int8: Int8Array, uint8: Uint8Array, int16: Int16Array, uint16: Uint16Array,
  int32: Int32Array, uint32: Uint32Array, int64: BigInt64Array, uint64: BigUint64Array, bool: Uint8Array,
};

function bytesOf(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

function base64Of(bytes) {
  if (bytes.toBase64) return bytes.toBase64();
  let text = "";
  for (let place = 0; place < bytes.length; place += 0x8000) text += String.fromCharCode(...bytes.subarray(place, place + 0x8000));
  return btoa(text);
}

// Keeps a piece of the bytes of a name; the first of them begins anew.
export function put(name, base64, isFirst) {
  if (isFirst) pieces.set(name, []);
  pieces.get(name).push(bytesOf(base64));
}

function take(name) {
  const parts = pieces.get(name);
  pieces.delete(name);
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((place, part) => (whole.set(part, place), place + part.length), 0);
  return whole;
}

export async function load(options) {
  return await loadModel(take("model"), options);
}

// Loads a model from its bytes.
export async function hold(bytes, options) {
  return await loadModel(bytes, options);
}

// Runs the model once, with {name: {dtype, shape, bytes}}; `ms` is the time from arrays to arrays, by the page's own clock.
export async function run(described) {
  const inputs = {};
  for (const [name, { dtype, shape, bytes }] of Object.entries(described)) {
    if (!(dtype in ARRAYS)) throw new Error(`input ${name}: a page has no arrays of ${dtype}`);
    inputs[name] = { dtype, shape, values: new ARRAYS[dtype](bytes) };
  }
  const began = performance.now();
  const given = await callModel(inputs);
  return { given, ms: performance.now() - began };
}

// Runs the model once; `described` is {name: {dtype, shape}}, and the bytes were put before.
export async function call(number, described) {
  const sample = Object.entries(described).map(([name, { dtype, shape }]) => [name, { dtype, shape, bytes: take(name).buffer }]);
  const { given } = await run(Object.fromEntries(sample));
  const outputs = {};
  for (const [name, { dtype, shape, values }] of Object.entries(given)) {
    outputs[name] = { dtype, shape: Array.from(shape), data: base64Of(new Uint8Array(values.buffer, values.byteOffset, values.byteLength)) };
  }
  return { call: number, outputs };
}
