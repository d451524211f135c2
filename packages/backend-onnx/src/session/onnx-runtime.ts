import { TunesmithError } from '@tunesmith/core';
import type { InferenceSession, Tensor } from 'onnxruntime-node';

export type OnnxRuntime = typeof import('onnxruntime-node');
export type OnnxTensor = Tensor;
export type OnnxSession = InferenceSession;

let loading: Promise<OnnxRuntime> | undefined;

/** Loads onnxruntime-node on first use, so that importing this package runs no native code. */
export function loadOnnxRuntime(): Promise<OnnxRuntime> {
  loading ??= import('onnxruntime-node').then(
    (module) => ('default' in module ? (module.default as OnnxRuntime) : module),
    (cause: unknown) => {
      throw new TunesmithError('BACKEND_UNAVAILABLE', 'onnxruntime-node cannot be loaded on this machine', {
        hint: 'Install it with ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node.',
        cause,
      });
    },
  );
  return loading;
}
