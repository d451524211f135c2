import { expect, it } from 'vitest';
import { readPeftConfig } from './peft-config.js';

const fields = {
  options: { target_modules: 'targetModules', bias: 'bias' },
  neutral: { init_weights: [true] },
};

it('takes the options, and leaves null and empty values to the defaults', () => {
  const peft = { peft_type: 'X', target_modules: ['a'], bias: null, init_weights: true, extra: [], other: {} };
  expect(readPeftConfig(peft, fields)).toEqual({ targetModules: ['a'] });
  expect(readPeftConfig({ target_modules: [], bias: false, more: null }, fields)).toEqual({ bias: false });
});

it("leaves a classifier's head to the engine, and keeps what else is saved", () => {
  const saving = { options: { modules_to_save: 'modulesToSave' } };
  const peft = { task_type: 'SEQ_CLS', modules_to_save: ['classifier', 'score', 'pooler'] };
  expect(readPeftConfig(peft, saving)).toEqual({ modulesToSave: ['pooler'] });
  expect(readPeftConfig({ ...peft, modules_to_save: ['classifier', 'score'] }, saving)).toEqual({});
  expect(readPeftConfig({ ...peft, task_type: 'CAUSAL_LM' }, saving)).toEqual({ modulesToSave: peft.modules_to_save });
});

it('refuses a field that would change the meaning', () => {
  expect(() => readPeftConfig({ init_weights: 'zero' }, fields)).toThrow(
    'CAPABILITY_MISSING at adapter_config.json: "init_weights" of this PEFT adapter is not supported; expected null, false or empty, got "zero".',
  );
  expect(() => readPeftConfig({ rank: 0 }, fields)).toThrow('"rank"');
});
