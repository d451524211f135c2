import type { Handle } from '@tunesmith/core';
import type { TinyModel } from '@tunesmith/testing';

/** Gives a model in full precision what another's codes stand for. */
export async function giveValues(quantized: TinyModel, plain: TinyModel): Promise<void> {
  const places = new Map(plain.model.handles.map((handle) => [handle.key, handle]));
  for (const handle of quantized.model.handles) {
    await plain.parameters.write(places.get(handle.key) as Handle, (await quantized.parameters.read(handle)).slice());
  }
}
