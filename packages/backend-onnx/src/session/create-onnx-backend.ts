import { type Backend, type Executable, type Program, type TensorStore, TunesmithError } from '@tunesmith/core';
import { runInListedOrder } from '../emit/run-in-listed-order.js';
import { writeModel } from '../emit/write-model.js';
import { estimateProgram } from '../estimate/estimate-program.js';
import { lowerProgram } from '../lower/lower-program.js';
import { byteProducts, opTable, saturatingOpTable, webgpuOpTable } from '../lower/op-table.js';
import type { TracedProgram } from '../trace/graph.js';
import { matmulFlops } from '../trace/matmul-flops.js';
import { traceProgram } from '../trace/trace-program.js';
import { keepFloat32, keepsWeights, type SessionSettings, sessionError, sessionOptions } from './device.js';
import { multipliesBytesExactly } from './exact-products.js';
import { GpuMemory } from './gpu-memory.js';
import { OnnxExecutable } from './onnx-executable.js';
import { loadOnnxRuntime, type OnnxRuntime, type OnnxSession } from './onnx-runtime.js';
import { OnnxStore, type StoredValue } from './onnx-store.js';
import { holdWeights, ResidentSession } from './resident-session.js';

export type OnnxBackendOptions = Partial<SessionSettings>;

/** A backend that traces each program once into an ONNX graph and runs it with ONNX Runtime. */
export function createOnnxBackend(options: OnnxBackendOptions = {}): Backend {
  const settings: SessionSettings = { device: 'cpu', ...options };
  return {
    name: `onnx-${settings.device}`,
    createStore: () => new OnnxStore(settings.device === 'webgpu' ? new GpuMemory() : undefined),
    estimate: estimateProgram,
    compile: async (program, store) => compile(program, ownStore(store), settings),
  };
}

async function compile(program: Program, store: OnnxStore, settings: SessionSettings): Promise<Executable> {
  const runtime = await loadOnnxRuntime();
  const started = performance.now();
  const table = settings.device === 'webgpu' ? webgpuOpTable : opTable;
  const traced = traceProgram(program, store.specs(), table);
  const rules = table === opTable && (await saturates(traced)) ? saturatingOpTable : table;
  const whole = lowerProgram(traced, rules, (name) => store.value(name), settings.device !== 'cpu');
  const { lowered, weights } = keepsWeights(settings.device) ? holdWeights(whole) : { lowered: whole, weights: [] };
  const model = writeModel(runInListedOrder(lowered.model));
  const emitted = performance.now();
  const openWith = (held: ReadonlyMap<string, StoredValue>): Promise<OnnxSession> =>
    open(runtime, model, () => sessionOptions(settings, lowered, store, held), settings, program.name);
  const session = new ResidentSession(openWith, weights, store);
  await session.current();
  const info = {
    nodes: lowered.model.nodes.length,
    modelBytes: model.byteLength,
    matmulFlops: matmulFlops(traced),
    traceMilliseconds: emitted - started,
    openMilliseconds: performance.now() - emitted,
  };
  return new OnnxExecutable({ runtime, session, weights, program, lowered, store, info });
}

/** Whether products of bytes that a program has would be wrong here. */
async function saturates({ nodes }: TracedProgram): Promise<boolean> {
  return nodes.some(({ kernel }) => byteProducts.has(kernel)) && !(await multipliesBytesExactly());
}

async function open(
  runtime: OnnxRuntime,
  model: Uint8Array,
  options: () => ReturnType<typeof sessionOptions>,
  { device }: SessionSettings,
  program: string,
): Promise<OnnxSession> {
  if (device === 'cuda') keepFloat32();
  try {
    return await runtime.InferenceSession.create(model, options());
  } catch (cause) {
    throw sessionError(device, program, cause);
  }
}

function ownStore(store: TensorStore): OnnxStore {
  if (store instanceof OnnxStore) return store;
  throw new TunesmithError('CAPABILITY_MISSING', 'the store belongs to another backend', {
    hint: 'Make it with createStore() of the backend that compiles.',
  });
}
