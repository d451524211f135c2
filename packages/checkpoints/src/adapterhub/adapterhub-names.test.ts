import { expect, it } from 'vitest';
import { fromAdapterHubName, toAdapterHubName } from './adapterhub-names.js';

it.each([
  [
    'bert.encoder.layer.0.output.adapters.adapter_down.0.weight',
    'bert.encoder.layer.0.output.adapters.s$&t.adapter_down.0.weight',
  ],
  ['model.shared_parameters.phm_rule', 'model.shared_parameters.s$&t.phm_rule'],
  ['bert.encoder.layer.0.output.LayerNorm.bias', 'bert.encoder.layer.0.output.LayerNorm.bias'],
])('%s ⇄ %s', (path, tensor) => {
  expect(toAdapterHubName(path, 's$&t')).toBe(tensor);
  expect(fromAdapterHubName(tensor, 's$&t')).toBe(path);
});

it("refuses another adapter's tensors, also where one name begins the other", () => {
  expect(() => fromAdapterHubName('layer.0.adapters.task.adapter_up.bias', 'tas')).toThrow(
    'FILE_INVALID: layer.0.adapters.task.adapter_up.bias is no tensor of the adapter "tas"; expected layer.0.adapters.tas.…',
  );
});
