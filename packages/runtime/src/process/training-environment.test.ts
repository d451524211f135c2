import { expect, it } from 'vitest';
import { trainingEnvironment } from './training-environment.js';

it('keeps freed memory in a process that trains, unless the user has settings of their own', () => {
  const added = trainingEnvironment({ HOME: '/home/ada' });
  expect(added).toMatchObject({ HOME: '/home/ada', GLIBC_TUNABLES: expect.stringContaining('trim_threshold') });
  const own = { GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1' };
  expect(trainingEnvironment(own)).toEqual(own);
});
