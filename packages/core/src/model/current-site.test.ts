import '@tensorflow/tfjs-backend-cpu';
import { beforeAll, expect, it } from 'vitest';
import { defineOp } from '../tensor/define-op.js';
import { tf } from '../tensor/tfjs.js';
import { asCurrentSite, currentSite } from './current-site.js';

beforeAll(() => tf.setBackend('cpu'));

it('is the innermost site, in the forward pass and in the gradients of what ran there', () => {
  const seen: (string | undefined)[] = [];
  const noting = defineOp<{ name: string }>({
    name: 'NoteSite',
    compose: ([x]) => [tf.clone(x)],
    gradient: ([dy], _inputs, _outputs, { name }) => {
      seen.push(`${name} backward: ${currentSite()}`);
      return [
        () => {
          seen.push(`${name}: ${currentSite()}`);
          return tf.clone(dy);
        },
      ];
    },
  });
  const loss = (x: tf.Tensor): tf.Scalar => {
    const y = asCurrentSite('block', () => {
      const inner = asCurrentSite('linear', () => {
        seen.push(currentSite());
        return noting([x], { name: 'inner' })[0];
      });
      seen.push(currentSite());
      return noting([inner], { name: 'outer' })[0];
    });
    seen.push(currentSite());
    return tf.sum(noting([y], { name: 'outside' })[0]);
  };
  tf.grad(loss as never)(tf.tensor1d([1, 2]));
  expect(seen).toEqual([
    'linear',
    'block',
    undefined,
    'outside backward: undefined',
    'outside: undefined',
    'outer backward: the gradient of block',
    'outer: the gradient of block',
    'inner backward: the gradient of linear',
    'inner: the gradient of linear',
  ]);
});

it('is none after an error', () => {
  const fail = (): never =>
    asCurrentSite('linear', () => {
      throw new Error(currentSite());
    });
  expect(fail).toThrow('linear');
  expect(currentSite()).toBeUndefined();
});
