import { type ProcessSpec } from '../../src/runtime/index.ts';
/** What the program is asked. */
export interface SandboxRequest {
    readonly rung?: string;
    readonly layer: string;
    readonly workDir: string;
    readonly script: string;
    readonly spec?: Partial<ProcessSpec>;
    readonly network?: 'own' | 'host';
    /** Show the changed paths. */
    readonly commit?: boolean;
}
