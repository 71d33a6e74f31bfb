import type { Codec, DecodeOptions } from 'protons-runtime';
import type { Uint8ArrayList } from 'uint8arraylist';
export interface HaveRequest {
    sha256: Uint8Array<ArrayBuffer>;
    watch: boolean;
}
export declare namespace HaveRequest {
    const codec: () => Codec<HaveRequest>;
    interface HaveRequestSha256FieldEvent {
        field: '$.sha256';
        value: Uint8Array<ArrayBuffer>;
    }
    interface HaveRequestWatchFieldEvent {
        field: '$.watch';
        value: boolean;
    }
    function encode(obj: Partial<HaveRequest>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<HaveRequest>): HaveRequest;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<HaveRequest>): Generator<HaveRequestSha256FieldEvent | HaveRequestWatchFieldEvent>;
}
export interface HaveReport {
    sha256: Uint8Array<ArrayBuffer>;
    snapshot?: Uint8Array<ArrayBuffer>;
    delta?: HaveDelta;
    complete?: boolean;
    gone?: boolean;
}
export declare namespace HaveReport {
    const codec: () => Codec<HaveReport>;
    interface HaveReportSha256FieldEvent {
        field: '$.sha256';
        value: Uint8Array<ArrayBuffer>;
    }
    interface HaveReportSnapshotFieldEvent {
        field: '$.snapshot';
        value: Uint8Array<ArrayBuffer>;
    }
    interface HaveReportDeltaStepsFieldEvent {
        field: '$.delta.steps[]';
        index: number;
        value: number;
    }
    interface HaveReportCompleteFieldEvent {
        field: '$.complete';
        value: boolean;
    }
    interface HaveReportGoneFieldEvent {
        field: '$.gone';
        value: boolean;
    }
    function encode(obj: Partial<HaveReport>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<HaveReport>): HaveReport;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<HaveReport>): Generator<HaveReportSha256FieldEvent | HaveReportSnapshotFieldEvent | HaveReportDeltaStepsFieldEvent | HaveReportCompleteFieldEvent | HaveReportGoneFieldEvent>;
}
export interface HaveDelta {
    steps: number[];
}
export declare namespace HaveDelta {
    const codec: () => Codec<HaveDelta>;
    interface HaveDeltaStepsFieldEvent {
        field: '$.steps[]';
        index: number;
        value: number;
    }
    function encode(obj: Partial<HaveDelta>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<HaveDelta>): HaveDelta;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<HaveDelta>): Generator<HaveDeltaStepsFieldEvent>;
}
export interface ManifestReply {
    found: boolean;
    sizeBytes: number;
}
export declare namespace ManifestReply {
    const codec: () => Codec<ManifestReply>;
    interface ManifestReplyFoundFieldEvent {
        field: '$.found';
        value: boolean;
    }
    interface ManifestReplySizeBytesFieldEvent {
        field: '$.sizeBytes';
        value: number;
    }
    function encode(obj: Partial<ManifestReply>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ManifestReply>): ManifestReply;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ManifestReply>): Generator<ManifestReplyFoundFieldEvent | ManifestReplySizeBytesFieldEvent>;
}
