import { betterAnswers } from './better-answers.js';
import { browserDeclarations } from './browser-declarations.js';
import { exercises } from './exercises.js';
import { spamOrHam } from './spam-or-ham.js';
import type { TaskDefinition } from './task.js';

/** Tasks that need no more than the npm registry, once. */
export const offlineTasks: readonly TaskDefinition[] = [spamOrHam, browserDeclarations, exercises, betterAnswers];
