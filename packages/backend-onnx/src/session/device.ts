import { type HostTensor, TunesmithError } from '@tunesmith/core';
import type { InferenceSession } from 'onnxruntime-node';
import type { LoweredProgram } from '../lower/lower-program.js';
import type { OnnxStore, StoredValue } from './onnx-store.js';

/** Where ONNX Runtime computes. */
export type OnnxDevice = 'cpu' | 'webgpu' | 'cuda';

export interface SessionSettings {
  readonly device: OnnxDevice;
  /** Threads of one run; ONNX Runtime's choice (one a physical core) if not said. */
  readonly threads?: number;
}

/** Whether sessions keep what programs only read: ONNX Runtime takes tensors on a CUDA device from no one but itself. */
export function keepsWeights(device: OnnxDevice): boolean {
  return device === 'cuda';
}

/**
 * Has CUDA compute float32 in float32. ONNX Runtime asks for TF32, whose factors keep 10 of 23 bits, and JavaScript has no
 * option for it. The libraries read the variable when a process first opens them; who wants TF32 sets it to 1.
 */
export function keepFloat32(): void {
  process.env.NVIDIA_TF32_OVERRIDE ??= '0';
}

/**
 * ONNX Runtime's options. The memory pattern would hold the first run's arena and the plan at once, so it is off. The
 * arena keeps a session's peak between its runs, so whoever compiles many programs releases those not in use; without
 * it each activation is a malloc of its own, whose peak in one and the same program varied from 1.6 to 2.2 GB.
 * Updates of what the store keeps on a GPU stay there.
 */
export function sessionOptions(
  { device, threads }: SessionSettings,
  { outputs, updates }: LoweredProgram,
  store: OnnxStore,
  weights: ReadonlyMap<string, StoredValue> = new Map(),
): InferenceSession.SessionOptions {
  const locations = [
    ...[...outputs.values()].map(({ graphName }) => [graphName, 'cpu'] as const),
    ...[...updates.values()].map(
      ({ graphName, type }) => [graphName, store.isResident(type) ? 'gpu-buffer' : 'cpu'] as const,
    ),
  ];
  return {
    executionProviders: device === 'cpu' ? ['cpu'] : [device, 'cpu'],
    graphOptimizationLevel: 'all',
    enableMemPattern: false,
    // What goes wrong is thrown; ONNX Runtime would print it as well, and warn about every node that a GPU leaves to it.
    logSeverityLevel: 4,
    enableCpuMemArena: true,
    // It fails on a held-back reshape that follows another; shapes are static here, so there is nothing for it to fuse.
    extra: { optimization: { disable_specified_optimizers: 'ReshapeFusion' } },
    ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
    ...(device === 'webgpu' ? { preferredOutputLocation: Object.fromEntries(locations) } : {}),
    ...(keepsWeights(device) ? weightOptions(weights) : {}),
  };
}

/** Says why a session could not be opened. */
export function sessionError(device: OnnxDevice, program: string, cause: unknown): TunesmithError {
  const message = cause instanceof Error ? cause.message : String(cause);
  if (device === 'cuda' && /shared library|providers_cuda|unsupported: 'cuda'/i.test(message)) {
    return new TunesmithError('BACKEND_UNAVAILABLE', 'ONNX Runtime has no CUDA on this machine', {
      got: firstLine(message),
      hint:
        'Install its libraries with: ONNXRUNTIME_NODE_INSTALL_CUDA=v12 npm rebuild onnxruntime-node. ' +
        "Those of CUDA itself (cuBLAS, cuRAND, cuDNN) must be on the loader's path, as LD_LIBRARY_PATH.",
      cause,
    });
  }
  if (device === 'cuda' && /CUDA failure/.test(message)) {
    return new TunesmithError('BACKEND_UNAVAILABLE', 'CUDA failed on this machine', {
      got: /CUDA failure[^;]*/.exec(message)?.[0].trim() ?? '',
      hint: 'See with nvidia-smi whether there is a device, a driver for its libraries, and memory.',
      cause,
    });
  }
  if (device === 'webgpu' && /webgpu|adapter|vulkan/i.test(message)) {
    return new TunesmithError('BACKEND_UNAVAILABLE', 'ONNX Runtime found no WebGPU adapter', {
      got: firstLine(message),
      hint: 'Install a Vulkan, Metal or D3D12 driver, or use the cpu device.',
      cause,
    });
  }
  return new TunesmithError('INTERNAL', 'ONNX Runtime refused a traced program', {
    where: `program ${program}`,
    got: firstLine(message),
    cause,
  });
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] as string;
}

/**
 * Constant folding would keep a transposed or widened copy beside a weight that is a constant, and an arena would take
 * up to twice its size.
 */
export function weightOptions(weights: ReadonlyMap<string, StoredValue>): InferenceSession.SessionOptions {
  return {
    extra: {
      optimization: { disable_specified_optimizers: 'ReshapeFusion;ConstantFolding' },
      session: { use_device_allocator_for_initializers: '1' },
    },
    externalData: [...weights].map(([path, { held }]) => ({ path, data: bytesOf(held) })),
  };
}

function bytesOf(held: StoredValue['held']): Uint8Array {
  const { buffer, byteOffset, byteLength } = held as HostTensor['data'];
  return new Uint8Array(buffer, byteOffset, byteLength);
}
