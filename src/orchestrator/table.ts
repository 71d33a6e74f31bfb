/** Where the orchestrator writes down what must outlive it; a table of the level database, or a Map in a test. */
export interface DurableTable<V> {
  entries(): AsyncIterable<readonly [string, V]>;
  put(key: string, value: V): Promise<void>;
  del(key: string): Promise<void>;
}
