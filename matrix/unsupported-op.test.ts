/** An op that a backend lacks is refused with its operands and the model's site that asks for it, backward too. */
import { defineOp, type Method, type Tensor, tf, zeros } from '@tunesmith/core';
import { tinyModel, trainTiny } from '@tunesmith/testing';
import { describe, expect, it } from 'vitest';
import { backends } from './backends.js';
import { tinyBert, tinyGpt2, tinyLlama } from './tiny-families.js';

/** Puts `f` behind one linear site, and a bias before it, so that a gradient passes through. */
function behind(target: string, f: (x: Tensor) => Tensor): Method {
  return {
    name: 'behind',
    apiVersion: 1,
    config: {},
    capabilities: { mergeable: false, identityAtInit: true, trainsBase: false },
    patchModel(patcher) {
      patcher.wrap('linear', { include: [target] }, (site) => {
        const shift = site.parameter('shift', { shape: [site.outFeatures], init: zeros });
        return (x, next, t) => f(tf.add(next(x), t.value(shift)));
      });
    },
  };
}

/** Kernels that nobody defines, and one of TensorFlow.js's that has no lowering. */
const forward = (x: Tensor): Tensor => tf.engine().runKernel('NoSuchKernel', { x }) as Tensor;
const backward = defineOp<object>({
  name: 'BackwardUnknown',
  compose: ([x]) => [tf.clone(x)],
  gradient: ([dy]) => [() => tf.engine().runKernel('NoSuchKernel', { dy }) as Tensor],
});
const unlowered = defineOp<object>({
  name: 'BackwardUnlowered',
  compose: ([x]) => [tf.clone(x)],
  gradient: ([dy]) => [() => tf.cumprod(dy, -1)],
});

describe.each([
  ['llama', tinyLlama, 'model.layers.1.self_attn.q_proj', '4,16,16'],
  ['gpt2', tinyGpt2, 'transformer.h.1.attn.c_attn', '4,16,48'],
  ['bert', tinyBert, 'bert.encoder.layer.1.attention.self.query', '4,16,16'],
] as const)('an op that is not there, in %s', (_, family, path, shape) => {
  const refusal = async (backend: keyof typeof backends, f: (x: Tensor) => Tensor, gradientCheckpointing: boolean) => {
    const tiny = await tinyModel(family, [behind(path, f)], await backends[backend]());
    return trainTiny(tiny, { steps: 1, gradientCheckpointing }).then(
      () => 'nothing was refused',
      (error) => error,
    );
  };

  for (const kept of [true, false]) {
    const blocks = `with blocks ${kept ? 'kept' : 'recomputed'}`;

    it.each(['onnx-cpu', 'tfjs-cpu'] as const)(`names its site on %s, ${blocks}`, async (backend) => {
      expect(await refusal(backend, forward, !kept)).toMatchObject({
        code: 'OP_UNSUPPORTED',
        message: expect.stringContaining('NoSuchKernel'),
        where: expect.stringContaining(`linear ${path}`),
        got: `float32[${shape}]`,
      });
      expect(await refusal(backend, (x) => backward([x], {})[0], !kept)).toMatchObject({
        code: 'OP_UNSUPPORTED',
        where: expect.stringContaining(`the gradient of linear ${path}`),
        got: `float32[${shape}]`,
      });
    });

    it(`names site and line of a kernel without lowering, ${blocks}`, async () => {
      expect(await refusal('onnx-cpu', (x) => tf.cumprod(x, -1), !kept)).toMatchObject({
        code: 'OP_UNSUPPORTED',
        message: expect.stringContaining('Cumprod'),
        where: expect.stringMatching(new RegExp(`^linear ${path}, called by .*unsupported-op.test.ts:\\d+:\\d+`)),
        got: `float32[${shape}]`,
      });
      expect(await refusal('onnx-cpu', (x) => unlowered([x], {})[0], !kept)).toMatchObject({
        message: expect.stringContaining('Cumprod'),
        where: expect.stringMatching(new RegExp(`^the gradient of linear ${path}, called by .*test.ts:\\d+:\\d+`)),
      });
    });
  }
});
