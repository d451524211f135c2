import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PbfReader } from 'pbf';
import { expect, it } from 'vitest';
import { crc32c, maskedCrc, openTensorboardFile } from './tensorboard-file.js';

it('computes the checksum of RFC 3720, B.4', () => {
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
  expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
});

it('writes framed events that hold time, step and scalars', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tensorboard-'));
  const sink = openTensorboardFile(folder, () => 1_500);
  const metrics = { accuracy: 0.5, broken: Number.NaN };
  await sink.write({ type: 'checkpoint', step: 3, best: true });
  await sink.write({ type: 'evaluate', step: 3, loss: 2, perplexity: 8, metrics, samples: [], best: true });
  await sink.close?.();
  const [file] = readdirSync(folder);
  expect(file).toMatch(/^events\.out\.tfevents\.1\./);
  const records = recordsOf(readFileSync(join(folder, file as string)));
  rmSync(folder, { recursive: true });
  expect(records.map(readEvent)).toEqual([
    { time: 1.5, version: 'brain.Event:2', values: {} },
    { time: 1.5, step: 3, values: { 'validation/loss': 2, 'validation/perplexity': 8, 'validation/accuracy': 0.5 } },
  ]);
});

/** The contents of TFRecords, after checking their checksums. */
function recordsOf(bytes: Buffer): Uint8Array[] {
  const records: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    expect(bytes.readUInt32LE(at + 8)).toBe(maskedCrc(bytes.subarray(at, at + 8)));
    const content = bytes.subarray(at + 12, at + 12 + length);
    expect(bytes.readUInt32LE(at + 12 + length)).toBe(maskedCrc(content));
    records.push(content);
    at += 16 + length;
  }
  return records;
}

interface ReadEvent {
  time?: number;
  step?: number;
  version?: string;
  values: Record<string, number>;
}

function readEvent(bytes: Uint8Array): ReadEvent {
  return new PbfReader(bytes).readFields<ReadEvent>(
    (field, event, pbf) => {
      if (field === 1) event.time = pbf.readDouble();
      if (field === 2) event.step = pbf.readVarint();
      if (field === 3) event.version = pbf.readString();
      if (field === 5) pbf.readMessage((_, values) => readValue(pbf, values), event.values);
    },
    { values: {} },
  );
}

function readValue(pbf: PbfReader, values: Record<string, number>): void {
  let tag = '';
  let value = Number.NaN;
  pbf.readMessage((field) => {
    if (field === 1) tag = pbf.readString();
    if (field === 2) value = pbf.readFloat();
  }, {});
  values[tag] = value;
}
