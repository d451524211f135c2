import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readHostArray, type StoredTensor, TunesmithError } from '@tunesmith/core';
import type { WrittenFile } from '../files/byte-sink.js';
import { orMissing } from '../files/missing-file.js';
import { parseJson } from '../json/strict-json.js';
import { openSafetensors } from '../safetensors/open-safetensors.js';
import { stateFile, summaryFile, summaryFormat, tensorsFile } from './checkpoint-files.js';
import type { Checkpoint, CheckpointTensor } from './write-checkpoint.js';

/**
 * Reads a checkpoint back, after checking that every file is what was written.
 * @throws FILE_MISSING, FILE_INVALID naming the file whose content changed, API_VERSION
 */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  const { step, score, files } = await summaryFormat.read(join(path, summaryFile));
  await verify(join(path, tensorsFile), files[tensorsFile]);
  await verify(join(path, stateFile), files[stateFile]);
  const state = parseJson(await readFile(join(path, stateFile), 'utf8'), join(path, stateFile));
  return { step, tensors: await readTensors(join(path, tensorsFile)), state, score };
}

async function verify(path: string, expected: WrittenFile): Promise<void> {
  const hash = createHash('sha256');
  let bytes = 0;
  await orMissing(
    (async () => {
      for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) {
        hash.update(chunk);
        bytes += chunk.length;
      }
    })(),
    'a file of the checkpoint is missing',
    path,
  );
  const sha256 = hash.digest('hex');
  if (bytes === expected.bytes && sha256 === expected.sha256) return;
  throw new TunesmithError('FILE_INVALID', 'the file is not what was written', {
    where: path,
    expected: `${expected.bytes} bytes, SHA-256 ${expected.sha256}`,
    got: `${bytes} bytes, ${sha256}`,
    hint: 'Remove this checkpoint to go on from the one before it.',
  });
}

async function readTensors(path: string): Promise<Record<string, CheckpointTensor>> {
  const file = await openSafetensors(path);
  try {
    const tensors: [string, CheckpointTensor][] = [];
    for (const name of file.names()) {
      const tensor = file.get(name) as StoredTensor;
      const values = tensor.dtype === 'U8' ? await tensor.read() : await readHostArray(tensor);
      tensors.push([name, { shape: tensor.shape, values }]);
    }
    return Object.fromEntries(tensors);
  } finally {
    await file.close();
  }
}
