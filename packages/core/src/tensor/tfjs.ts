/**
 * The one TensorFlow.js instance of the project: ops, the engine's tape, and every gradient registration.
 * Nothing else imports tfjs, so that all packages exchange the same tensors.
 */
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';

export * as tf from '@tensorflow/tfjs-core';
