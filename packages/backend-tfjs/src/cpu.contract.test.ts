import '@tensorflow/tfjs-backend-cpu';
import { describeBackend } from '@tunesmith/testing';
import { createTfjsBackend } from './create-tfjs-backend.js';

describeBackend('tfjs on the CPU', () => createTfjsBackend({ prefer: 'cpu' }));
