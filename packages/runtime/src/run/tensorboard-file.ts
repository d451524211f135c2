import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { MetricsSink, TrainerEvent } from '@tunesmith/core';
import { PbfWriter } from 'pbf';

/**
 * Writes a run's metrics as a TensorBoard event file: TFRecord frames around Event messages
 * (tensorflow/core/util/event.proto, summary.proto). A resumed run begins another file in the folder, and TensorBoard
 * shows, of a step that is in both, the later file's.
 */
export function openTensorboardFile(folder: string, now: () => number = Date.now): MetricsSink {
  mkdirSync(folder, { recursive: true });
  const seconds = Math.floor(now() / 1000);
  const file = openSync(join(folder, `events.out.tfevents.${seconds}.${hostname()}.${process.pid}`), 'a');
  const write = (fields: (pbf: PbfWriter) => void): void => {
    const pbf = new PbfWriter();
    pbf.writeDoubleField(1, now() / 1000); // wall_time
    fields(pbf);
    writeSync(file, frame(pbf.finish()));
  };
  write((pbf) => pbf.writeStringField(3, 'brain.Event:2')); // file_version
  return {
    write(event) {
      const values = Object.entries(scalarsOf(event)).filter(([, value]) => Number.isFinite(value));
      if (values.length === 0) return;
      write((pbf) => {
        pbf.writeVarintField(2, event.step); // step
        pbf.writeMessage(5, writeSummary, values); // summary
      });
    },
    close: () => closeSync(file),
  };
}

function scalarsOf(event: TrainerEvent): Record<string, number> {
  if (event.type === 'step') {
    const { loss, learningRate, gradientNorm, tokensPerSecond, terms, observed } = event;
    return {
      ...prefixed('train', { loss, learningRate, gradientNorm, tokensPerSecond }),
      ...prefixed('train', { ...terms, ...observed }),
    };
  }
  if (event.type === 'evaluate') {
    const { loss, perplexity, metrics } = event;
    return prefixed('validation', { loss, ...(perplexity === null ? {} : { perplexity }), ...metrics });
  }
  return {};
}

function prefixed(prefix: string, values: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}/${name}`, value]));
}

function writeSummary(values: readonly (readonly [string, number])[], pbf: PbfWriter): void {
  for (const value of values) pbf.writeMessage(1, writeValue, value); // value
}

function writeValue([tag, value]: readonly [string, number], pbf: PbfWriter): void {
  pbf.writeStringField(1, tag); // tag
  pbf.writeFloatField(2, value); // simple_value
}

/** A TFRecord: length, its checksum, content, its checksum (tensorflow/core/lib/io/record_writer.h). */
function frame(content: Uint8Array): Uint8Array {
  const record = new Uint8Array(12 + content.length + 4);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(content.length), true);
  view.setUint32(8, maskedCrc(record.subarray(0, 8)), true);
  record.set(content, 12);
  view.setUint32(12 + content.length, maskedCrc(content), true);
  return record;
}

/** CRC-32C, rotated and offset so that a checksum of data with checksums stays sound (tensorflow/core/lib/hash/crc32c.h). */
export function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** CRC-32C (Castagnoli), reflected polynomial 0x82F63B78 (RFC 3720, appendix B.4). */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
