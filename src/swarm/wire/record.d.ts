import type { Codec, DecodeOptions } from 'protons-runtime';
import type { Uint8ArrayList } from 'uint8arraylist';
export interface MetaMessage {
    name: Uint8Array<ArrayBuffer>;
    addresses: Uint8Array<ArrayBuffer>[];
    lane: Uint8Array<ArrayBuffer>;
    api: Uint8Array<ArrayBuffer>;
    pools: PoolMessage[];
}
export declare namespace MetaMessage {
    const codec: () => Codec<MetaMessage>;
    interface MetaMessageNameFieldEvent {
        field: '$.name';
        value: Uint8Array<ArrayBuffer>;
    }
    interface MetaMessageAddressesFieldEvent {
        field: '$.addresses[]';
        index: number;
        value: Uint8Array<ArrayBuffer>;
    }
    interface MetaMessageLaneFieldEvent {
        field: '$.lane';
        value: Uint8Array<ArrayBuffer>;
    }
    interface MetaMessageApiFieldEvent {
        field: '$.api';
        value: Uint8Array<ArrayBuffer>;
    }
    interface MetaMessagePoolsIdFieldEvent {
        field: '$.pools[].id';
        value: Uint8Array<ArrayBuffer>;
        index: number;
    }
    interface MetaMessagePoolsReadyFieldEvent {
        field: '$.pools[].ready';
        value: boolean;
        index: number;
    }
    function encode(obj: Partial<MetaMessage>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<MetaMessage>): MetaMessage;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<MetaMessage>): Generator<MetaMessageNameFieldEvent | MetaMessageAddressesFieldEvent | MetaMessageLaneFieldEvent | MetaMessageApiFieldEvent | MetaMessagePoolsIdFieldEvent | MetaMessagePoolsReadyFieldEvent>;
}
export interface PoolMessage {
    id: Uint8Array<ArrayBuffer>;
    ready: boolean;
}
export declare namespace PoolMessage {
    const codec: () => Codec<PoolMessage>;
    interface PoolMessageIdFieldEvent {
        field: '$.id';
        value: Uint8Array<ArrayBuffer>;
    }
    interface PoolMessageReadyFieldEvent {
        field: '$.ready';
        value: boolean;
    }
    function encode(obj: Partial<PoolMessage>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<PoolMessage>): PoolMessage;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<PoolMessage>): Generator<PoolMessageIdFieldEvent | PoolMessageReadyFieldEvent>;
}
