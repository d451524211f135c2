import { type HostTensor, type Shape, TunesmithError } from '@tunesmith/core';
import type { ElementType } from '../emit/onnx-model.js';
import { writeModel } from '../emit/write-model.js';
import { loadOnnxRuntime, type OnnxSession, type OnnxTensor } from './onnx-runtime.js';

/** Types that WebGPU computes with; tensors of others stay in host memory and travel with every run. */
const residentTypes: ReadonlySet<ElementType> = new Set(['float32', 'int32']);

/**
 * Moves tensors to and from a GPU, by sessions that copy their input: ONNX Runtime has no other way in, and reading the
 * data of a GPU tensor directly aborts the process. A GPU tensor may be fed to every session of the process, as long as the
 * session that made it exists.
 */
export class GpuMemory {
  readonly #sessions = new Map<string, Promise<OnnxSession>>();

  holds(type: ElementType): boolean {
    return residentTypes.has(type);
  }

  async upload(type: ElementType, shape: Shape, data: HostTensor['data']): Promise<OnnxTensor> {
    const { Tensor } = await loadOnnxRuntime();
    return this.copy(type, new Tensor(type as 'float32', data as Float32Array, shape));
  }

  /** A copy on the GPU that outlives the session which made `tensor`. */
  copy(type: ElementType, tensor: OnnxTensor): Promise<OnnxTensor> {
    return this.#copy(type, tensor, 'gpu-buffer');
  }

  async download(type: ElementType, tensor: OnnxTensor): Promise<HostTensor['data']> {
    const { data } = await this.#copy(type, tensor, 'cpu');
    return data as HostTensor['data'];
  }

  /** Frees the sessions. Tensors are disposed by whoever holds them. */
  async dispose(): Promise<void> {
    const sessions = await Promise.all(this.#sessions.values());
    this.#sessions.clear();
    await Promise.all(sessions.map((session) => session.release()));
  }

  async #copy(type: ElementType, tensor: OnnxTensor, to: 'cpu' | 'gpu-buffer'): Promise<OnnxTensor> {
    const rank = tensor.dims.length;
    const key = `${type} ${rank} ${to}`;
    const session = this.#sessions.get(key) ?? openCopy(type, rank, to);
    this.#sessions.set(key, session);
    const { copy } = await (await session).run({ tensor });
    if (copy === undefined) throw new TunesmithError('INTERNAL', 'a copy between host and GPU returned nothing');
    return copy as OnnxTensor;
  }
}

async function openCopy(type: ElementType, rank: number, location: 'cpu' | 'gpu-buffer'): Promise<OnnxSession> {
  const { InferenceSession } = await loadOnnxRuntime();
  const shape = Array.from({ length: rank }, (_, axis) => `axis${axis}`);
  const model = writeModel({
    name: 'copy',
    inputs: [{ name: 'tensor', type, shape }],
    outputs: [{ name: 'copy', type, shape }],
    initializers: [],
    nodes: [{ name: 'copy', type: 'Identity', domain: '', inputs: ['tensor'], outputs: ['copy'], attributes: {} }],
  });
  return InferenceSession.create(model, {
    executionProviders: ['webgpu'],
    preferredOutputLocation: location,
    logSeverityLevel: 4,
  });
}
