/**
 * Lays the ways between actors that tell each other: an inbox for each subtask that may be told, an outbox for each that
 * may tell.
 *
 * Called by: runtime/task_builder.ts, once for each attempt.
 * Calls: runtime/feedback/inbox.ts, runtime/feedback/outbox.ts.
 *
 * @module
 */
import { FeedbackGroup } from "./feedback_group.ts";
import { Inbox } from "./inbox.ts";
import { type Addressee, Outbox } from "./outbox.ts";

/** An operator that may tell or be told. */
export interface FeedbackOperator {
  readonly name: string;
  readonly parallelism: number;
  readonly maxParallelism: number;
  /** Names of the operators that it may tell. */
  readonly tells: readonly string[];
}

/** What one subtask of an operator has of the network. */
export interface Feedback {
  /** Null for one that is never told anything. */
  readonly inbox: Inbox | null;
  /** Null for one that never tells anything. */
  readonly outbox: Outbox | null;
  readonly group: FeedbackGroup;
}

/** All ways of one attempt. */
export class FeedbackNetwork {
  readonly #subtasks = new Map<string, readonly Feedback[]>();

  /** @param operators Those that tell or are told. @param limit Messages that may wait at one subtask. */
  constructor(operators: readonly FeedbackOperator[], limit: number) {
    const groups = groupsOf(operators);
    const inboxes = new Map<string, readonly Inbox[]>();
    const sendersOf = (name: string) => operators.filter(({ tells }) => tells.includes(name));
    for (const { name, parallelism } of operators) {
      const senderCount = sendersOf(name).reduce((sum, sender) => sum + sender.parallelism, 0);
      if (senderCount === 0) continue;
      const group = groups.get(name)!;
      const make = () => new Inbox({ actorName: name, senderCount, limit, group });
      inboxes.set(name, Array.from({ length: parallelism }, make));
    }
    for (const { name, parallelism, tells } of operators) {
      const subtasks = Array.from({ length: parallelism }, (_, index): Feedback => {
        const addressees = new Map(tells.map((told): [string, Addressee] => {
          const senders = sendersOf(told);
          const before = senders.slice(0, senders.findIndex((sender) => sender.name === name));
          const sender = before.reduce((sum, one) => sum + one.parallelism, index);
          const { maxParallelism } = operators.find((one) => one.name === told)!;
          return [told, { inboxes: inboxes.get(told)!, maxParallelism, sender }];
        }));
        return {
          inbox: inboxes.get(name)?.[index] ?? null,
          outbox: tells.length === 0 ? null : new Outbox(name, addressees),
          group: groups.get(name)!,
        };
      });
      this.#subtasks.set(name, subtasks);
    }
  }

  /** Null for an operator that neither tells nor is told. */
  of(name: string, subtaskIndex: number): Feedback | null {
    return this.#subtasks.get(name)?.[subtaskIndex] ?? null;
  }
}

/** The group of each operator: with all that it tells or is told by, and so on. */
function groupsOf(operators: readonly FeedbackOperator[]): Map<string, FeedbackGroup> {
  const groups = new Map<string, FeedbackGroup>();
  for (const operator of operators) {
    if (groups.has(operator.name)) continue;
    const members = new Set([operator]);
    for (const member of members) {
      for (const other of operators) {
        if (member.tells.includes(other.name) || other.tells.includes(member.name)) members.add(other);
      }
    }
    const group = new FeedbackGroup([...members].reduce((sum, { parallelism }) => sum + parallelism, 0));
    for (const { name } of members) groups.set(name, group);
  }
  return groups;
}
