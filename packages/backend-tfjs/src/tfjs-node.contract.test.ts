import '@tensorflow/tfjs-backend-cpu';
import { TunesmithError } from '@tunesmith/core';
import { describeBackend } from '@tunesmith/testing';
import { expect, it } from 'vitest';
import { createTfjsBackend } from './create-tfjs-backend.js';

const create = (): ReturnType<typeof createTfjsBackend> => createTfjsBackend({ prefer: 'tfjs-node' });
const first: unknown = await create().catch((error: unknown) => error);

// tfjs-node is an optional peer whose installation downloads a library; parity/native_tfjs_node.sh builds it without.
if (TunesmithError.isInstance(first)) {
  it('says that tfjs-node is not there', () => {
    expect(first).toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      hint: expect.stringContaining('@tensorflow/tfjs-node'),
    });
  });
} else {
  describeBackend('tfjs-node', create);
}
