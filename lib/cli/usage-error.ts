// The error for a command line that cannot be understood.
// Invariant: its message is for the person at the keyboard and says what to type instead; it ends in exit code 2.

export class UsageError extends Error {}
