import { TunesmithError } from '@tunesmith/core';

/** Whether a file's name says that it holds a Python pickle, which runs code of its author's choice when loaded. */
export function isPickle(name: string): boolean {
  return /\.(bin|pt|pth|ckpt|pkl|pickle)$/i.test(name);
}

/** The refusal of a pickle, with the way to a file that can be read. */
export function pickleError(path: string): TunesmithError {
  return new TunesmithError('FILE_INVALID', 'this is a Python pickle, which can run any code when it is loaded', {
    where: path,
    expected: 'safetensors',
    hint:
      'Convert it where you trust it: load it with transformers or peft and call ' +
      'save_pretrained(folder, safe_serialization=True), or use huggingface.co/spaces/safetensors/convert.',
  });
}
