import { expect, it } from 'vitest';
import { startDeviceMeter } from './device-memory.js';

const event = (type: string) => ({ type }) as never;

it('is the most that a run took over what was in use before it', async () => {
  const told = [100, 350, 300];
  const meter = await startDeviceMeter(async () => told.shift() as number);
  await meter.sink.write(event('step'));
  await meter.sink.write(event('evaluate'));
  await meter.sink.write(event('end'));
  expect(told).toEqual([]);
  expect(meter.peakBytes()).toBe(250);
});

it('is not told where the driver does not', async () => {
  const meter = await startDeviceMeter(async () => null);
  await meter.sink.write(event('end'));
  expect(meter.peakBytes()).toBeNull();
});
