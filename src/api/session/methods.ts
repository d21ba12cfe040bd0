// Paths of the session's streaming methods.

export const FileSyncDiffCopy = '/moby.filesync.v1.FileSync/DiffCopy';
export const FileSendDiffCopy = '/moby.filesync.v1.FileSend/DiffCopy';
export const ForwardAgent = '/moby.sshforward.v1.SSH/ForwardAgent';
export const UploadPull = '/moby.upload.v1.Upload/Pull';
export const GetTokenAuthority = '/moby.filesync.v1.Auth/GetTokenAuthority';
export const Credentials = '/moby.filesync.v1.Auth/Credentials';
export const GetSecret = '/moby.buildkit.secrets.v1.Secrets/GetSecret';
export const CheckAgent = '/moby.sshforward.v1.SSH/CheckAgent';
export const ContentRead = '/containerd.services.content.v1.Content/Read';
export const ContentWrite = '/containerd.services.content.v1.Content/Write';
export const FindExporters = '/moby.exporter.v1.Exporter/FindExporters';
export const FinalizeExport = '/moby.exporter.v1.Exporter/FinalizeExport';
