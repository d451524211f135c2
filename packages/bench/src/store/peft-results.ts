import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TunesmithError } from '@tunesmith/core';
import { type PeftResult, peftSchema } from './result-file.js';

const folderName = 'peft';

/**
 * Takes a result of PEFT's method comparison (`method_comparison/MetaMathQA/results/*.json`) into a folder of results, as it
 * is; the same file again changes nothing. @throws FILE_MISSING, FILE_INVALID
 */
export async function importPeftResult(results: string, file: string): Promise<PeftResult> {
  const { text, result } = await readPeftResult(file);
  const folder = join(results, folderName);
  await mkdir(folder, { recursive: true });
  const name = createHash('sha256').update(text).digest('hex').slice(0, 32);
  await writeFile(join(folder, `${name}.json`), text);
  return result;
}

/** Every result of PEFT's in a folder of results. */
export async function readPeftResults(results: string): Promise<PeftResult[]> {
  const folder = join(results, folderName);
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.json')).sort();
  return Promise.all(names.map(async (name) => (await readPeftResult(join(folder, name))).result));
}

async function readPeftResult(file: string): Promise<{ readonly text: string; readonly result: PeftResult }> {
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw new TunesmithError('FILE_MISSING', error.message, { where: file });
  });
  const invalid = (what: string, hint?: string): never => {
    throw new TunesmithError('FILE_INVALID', what, { where: file, ...(hint !== undefined && { hint }) });
  };
  const parsed = peftSchema.safeParse(jsonOf(text) ?? invalid('this is no JSON'));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return invalid(`this is no result of PEFT's method comparison: ${issue?.path.join('.')}: ${issue?.message}`);
  }
  if ('trial' in parsed.data) invalid('this is a result of the bench itself', 'copy it into the folder’s `trials`');
  const { status, metrics } = parsed.data.train_info;
  if (status === 'success' && typeof metrics.at(-1)?.['test accuracy'] !== 'number') {
    invalid('the last of its metrics has no "test accuracy"', 'of PEFT’s suites, only MetaMathQA’s has one');
  }
  return { text, result: parsed.data };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
