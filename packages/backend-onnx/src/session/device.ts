import { TunesmithError } from '@tunesmith/core';
import type { InferenceSession } from 'onnxruntime-node';
import type { LoweredProgram } from '../lower/lower-program.js';

/** Where ONNX Runtime computes. */
export type OnnxDevice = 'cpu' | 'webgpu' | 'cuda';

export interface SessionSettings {
  readonly device: OnnxDevice;
  /** Threads of one run; ONNX Runtime's choice (one a physical core) if not said. */
  readonly threads?: number;
}

/** Optimizers that would widen stored 16-bit weights at load time and keep both copies. */
const foldingOptimizers = 'ConstantFolding;CommonSubexpressionElimination;FuseFp16InitializerToFp32NodeTransformer';

/**
 * ONNX Runtime's options. The memory pattern would hold the first run's arena and the plan at once, and the arena would
 * keep the peak of every session; without both, activations are returned after each run at no cost in time.
 */
export function sessionOptions(settings: SessionSettings, program: LoweredProgram): InferenceSession.SessionOptions {
  const hasBarrier = program.bound.some(({ binding }) => binding.kind === 'barrier');
  return {
    executionProviders: settings.device === 'cpu' ? ['cpu'] : [settings.device, 'cpu'],
    graphOptimizationLevel: 'all',
    enableMemPattern: false,
    enableCpuMemArena: false,
    ...(settings.threads === undefined ? {} : { intraOpNumThreads: settings.threads }),
    ...(hasBarrier ? { extra: { optimization: { disable_specified_optimizers: foldingOptimizers } } } : {}),
  };
}

/** Says why a session could not be opened. */
export function sessionError(device: OnnxDevice, program: string, cause: unknown): TunesmithError {
  const message = cause instanceof Error ? cause.message : String(cause);
  if (device === 'cuda' && /cuda|provider/i.test(message)) {
    return new TunesmithError('BACKEND_UNAVAILABLE', 'ONNX Runtime has no CUDA on this machine', {
      got: firstLine(message),
      hint: 'Install its libraries with: npm install onnxruntime-node --onnxruntime-node-install-cuda=v12',
      cause,
    });
  }
  if (device === 'webgpu' && /webgpu|adapter|provider|vulkan/i.test(message)) {
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
