import { alpaca } from './hub/alpaca.js';
import { gsm8k } from './hub/gsm8k.js';
import { helpfulAnswers } from './hub/helpful-answers.js';
import { metaMathGsm8k } from './hub/metamath-gsm8k.js';
import { sst2 } from './hub/sst2.js';
import type { TaskDefinition } from './task.js';

/** Tasks from data sets of the Hugging Face Hub, or of a folder with a copy. */
export const hubTasks: readonly TaskDefinition[] = [sst2, gsm8k, metaMathGsm8k, alpaca, helpfulAnswers];
