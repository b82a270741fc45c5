// The frame in which an engine runs a model: arrays come and go in the layout of safetensors (https://huggingface.co/docs/safetensors).

const NAMES = {
  F32: "float32", F64: "float64", I8: "int8", U8: "uint8", I16: "int16", U16: "uint16", I32: "int32", U32: "uint32", I64: "int64", U64: "uint64", BOOL: "bool",
};
const KINDS = Object.fromEntries(Object.entries(NAMES).map(([kind, name]) => [name, kind]));
const HEADER = 8; // bytes of its length

function unpack(buffer) {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const { __metadata__: told = {}, ...tensors } = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, HEADER, length)));
  const arrays = Object.entries(tensors).map(([name, { dtype, shape, data_offsets: [start, end] }]) => [
    name, { dtype: NAMES[dtype], shape, bytes: buffer.slice(HEADER + length + start, HEADER + length + end) },
  ]);
  return { arrays: Object.fromEntries(arrays), told };
}

function pack(arrays, told) {
  const header = { __metadata__: told };
  const parts = [];
  let place = 0;
  for (const [name, { dtype, shape, values }] of Object.entries(arrays)) {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    header[name] = { dtype: KINDS[dtype] ?? dtype, shape: Array.from(shape), data_offsets: [place, place + bytes.length] };
    place += bytes.length;
    parts.push(bytes);
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const padded = new Uint8Array(Math.ceil(text.length / 8) * 8).fill(0x20);
  padded.set(text);
  const length = new DataView(new ArrayBuffer(HEADER));
  length.setBigUint64(0, BigInt(padded.length), true);
  return new Blob([length.buffer, padded, ...parts]);
}

function fail(words) {
  return pack({}, { error: words });
}

// What goes wrong in the engine is an answer.
function orFail(work) {
  return async (...asked) => {
    try {
      return await work(...asked);
    } catch (error) {
      return fail(`${error?.name ?? "Error"}: ${error?.message ?? error}`);
    }
  };
}

async function start() {
  const exchange = await import("/exchange.js");
  const load = async (body, { options }) => {
    const began = performance.now();
    const held = await exchange.hold(new Uint8Array(body), options);
    return pack({}, { held: JSON.stringify({ ...held, isolated: globalThis.crossOriginIsolated === true, load_ms: performance.now() - began }) });
  };
  const call = async (body) => {
    const { arrays, told } = unpack(body);
    const outputs = {};
    const times = [];
    for (let place = 0; place < Number(told.count); place += 1) {
      const mine = Object.entries(arrays).filter(([name]) => name.startsWith(`${place}/`));
      const sample = Object.fromEntries(mine.map(([name, array]) => [name.slice(name.indexOf("/") + 1), array]));
      const { given, ms } = await exchange.run(sample);
      for (const [name, array] of Object.entries(given)) {
        outputs[`${place}/${name}`] = { ...array, values: array.values.slice() }; // an engine may use its memory again
      }
      times.push(ms);
    }
    return pack(outputs, { number: told.number, ms: JSON.stringify(times) });
  };
  return { load: orFail(load), call: orFail(call), fail };
}

globalThis.ready = start().catch((error) => {
  const failed = async () => fail(`${error?.name ?? "Error"}: ${error?.message ?? error}`);
  return { load: failed, call: failed, fail };
});
