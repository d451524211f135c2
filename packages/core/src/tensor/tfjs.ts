/**
 * The one TensorFlow.js instance of the project: ops, the engine's tape, and every gradient registration.
 * Nothing else imports tfjs, so that all packages exchange the same tensors.
 */
// First, because a gradient can only be registered once the library has registered its flags.
import '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
import { enableProdMode, type Tensor as TfTensor } from '@tensorflow/tfjs-core';
import { completeGradients } from './missing-gradients.js';

export * as tf from '@tensorflow/tfjs-core';

completeGradients();

// Otherwise tfjs prints advice when a backend brings its own copy, and when the CPU backend makes its first tensor.
enableProdMode();

/** A tensor of the running backend: a value when run eagerly, a node of the graph while a program is traced. */
export type Tensor = TfTensor;
/** Element types a program computes with. */
export type Dtype = 'float32' | 'int32' | 'bool';
export type Shape = readonly number[];
/** A record by name. */
export type Named<Value> = Record<string, Value>;
