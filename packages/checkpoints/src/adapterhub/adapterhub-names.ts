import { TunesmithError } from '@tunesmith/core';

/** The segments of a tensor's name that an adapter's own name follows (adapters/loading.py, `AdapterLoader.filter_func`). */
const holder = /(^|\.)(adapters|shared_parameters)\./;

/** `….adapters.adapter_up.weight` → `….adapters.<name>.adapter_up.weight`; names without an adapter's modules stay. */
export function toAdapterHubName(path: string, name: string): string {
  return path.replace(holder, `$&${name.replaceAll('$', '$$$$')}.`);
}

/**
 * The inverse of `toAdapterHubName`.
 * @throws FILE_INVALID for the name of another adapter's tensor
 */
export function fromAdapterHubName(tensor: string, name: string): string {
  const match = holder.exec(tensor);
  if (match === null) return tensor;
  const [begin, end] = [match.index + match[0].length, match.index + match[0].length + name.length + 1];
  if (tensor.slice(begin, end) === `${name}.`) return tensor.slice(0, begin) + tensor.slice(end);
  throw new TunesmithError('FILE_INVALID', `${tensor} is no tensor of the adapter "${name}"`, {
    expected: `${tensor.slice(0, begin)}${name}.…`,
  });
}
