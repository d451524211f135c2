import { expect, it } from 'vitest';
import { z } from 'zod';
import { buildModel } from '../model/model.js';
import { defineMethod, type MethodDefinition } from './define-method.js';
import { apiVersion } from './method.js';

const definition: MethodDefinition<z.ZodObject> = {
  name: 'idle',
  apiVersion,
  summary: 'does nothing',
  config: z.object({}),
  capabilities: { mergeable: false, identityAtInit: true, trainsBase: false },
  create: () => ({ patchModel() {} }),
};

it.each([apiVersion - 1, apiVersion + 1])('refuses a method of contract %i, naming both', (other) => {
  const message = new RegExp(`^API_VERSION: .*"idle".*expected apiVersion ${apiVersion}, got ${other}`);
  expect(() => defineMethod({ ...definition, apiVersion: other })).toThrow(message);
  // One that another copy of the engine made has passed that copy's check, not this one's.
  const method = { ...defineMethod(definition)({}), apiVersion: other };
  const family = {
    name: 'none',
    modelTypes: ['none'],
    parseConfig: () => null,
    describe: () => ({ vocabularySize: 1, hiddenSize: 1, layers: 0, maxPositions: 1 }),
    build: () => {
      throw new Error('a method of another contract was asked to patch');
    },
    defaultTargets: {},
  };
  expect(() => buildModel({ family, config: null, methods: [method] })).toThrow(message);
});
