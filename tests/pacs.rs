//! Series fetched from an Orthanc that the test starts, by DICOM and by DICOMweb, plain and over TLS: every pixel, and no person.
//!
//! Where Orthanc, openssl or socat is not installed the tests say so and pass; with `HALSTED_REQUIRE=all` they fail instead.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use dicom_core::{Tag, VR};
use dicom_object::open_file;
use halsted::patient::{
    DeidentifyError, DeidentifyOptions,
    pacs::{Address, Connection, Credentials, Filter, PacsError, fetch_series, find_series},
    read_series,
};

const PLUGIN: &str = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so";
const STUDY: &str = "1.2.3.4.1";
const SERIES: &str = "1.2.3.4.2";
/// A second series of the same study.
const HEAD: &str = "1.2.3.4.5";

/// A server of our own with a patient of our own, gone when dropped.
struct Server {
    /// Orthanc, and what puts TLS before its HTTP: Debian's ends with a segmentation fault when it does so itself.
    processes: Vec<Child>,
    folder: tempfile::TempDir,
    dicom: u16,
    web: u16,
    tls: bool,
}

impl Drop for Server {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Ports that nothing listens on.
fn free_ports<const N: usize>() -> [u16; N] {
    let held = [0; N].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}

fn openssl(folder: &Path, arguments: &str) {
    let done = Command::new("openssl").current_dir(folder).args(arguments.split(' ')).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

impl Server {
    /// Nothing where it cannot be started here.
    fn start(tls: bool) -> Option<Self> {
        let there = |(program, argument)| Command::new(program).arg(argument).output().is_ok();
        if ![("Orthanc", "--version"), ("openssl", "version"), ("socat", "-V")].into_iter().all(there)
            || !Path::new(PLUGIN).exists()
        {
            assert!(
                std::env::var("HALSTED_REQUIRE").as_deref() != Ok("all"),
                "HALSTED_REQUIRE=all, but Orthanc, openssl or socat is missing"
            );
            eprintln!("skipped: orthanc, orthanc-dicomweb, openssl or socat is not installed");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        let at = |name: &str| root.join(name).display().to_string();
        let [dicom, http, https] = free_ports();
        openssl(folder.path(), "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=test-ca");
        openssl(folder.path(), "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=127.0.0.1");
        fs::write(folder.path().join("names"), "subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n").unwrap();
        openssl(
            folder.path(),
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.crt",
        );
        let both = [fs::read(at("server.crt")).unwrap(), fs::read(at("server.key")).unwrap()].concat();
        fs::write(at("server.pem"), both).unwrap();
        fs::create_dir(at("db")).unwrap();
        let settings = serde_json::json!({
            "Name": "TESTPACS", "DicomAet": "TESTPACS", "DicomPort": dicom, "HttpPort": http, "DicomCheckCalledAet": true,
            "StorageDirectory": at("db"), "IndexDirectory": at("db"), "RemoteAccessAllowed": false,
            "AuthenticationEnabled": true, "RegisteredUsers": { "sim": "s3cret" }, "DicomTlsEnabled": tls, "DicomTlsCertificate": at("server.crt"),
            "DicomTlsPrivateKey": at("server.key"), "DicomTlsTrustedCertificates": at("ca.pem"),
            "DicomAlwaysAllowFind": true, "DicomAlwaysAllowGet": true, "DicomAlwaysAllowMove": true,
            "Plugins": [PLUGIN], "DicomWeb": { "Enable": true, "Root": "/dicom-web/", "Ssl": false },
        });
        fs::write(at("orthanc.json"), settings.to_string()).unwrap();
        let process = Command::new("Orthanc")
            .arg(at("orthanc.json"))
            .stdout(Stdio::null())
            .stderr(fs::File::create(at("log")).unwrap())
            .spawn()
            .unwrap();
        let mut server = Self { processes: vec![process], folder, dicom, web: if tls { https } else { http }, tls };
        if tls {
            let listen = format!("OPENSSL-LISTEN:{https},bind=127.0.0.1,reuseaddr,fork,verify=0,cert={}", at("server.pem"));
            let to = format!("TCP:127.0.0.1:{http}");
            server.processes.push(Command::new("socat").args([listen, to]).stderr(Stdio::null()).spawn().unwrap());
        }
        let begun = Instant::now();
        while find_series(&server.web(), &server.connection(), &Filter::default()).is_err() {
            let log = || fs::read_to_string(server.folder.path().join("log")).unwrap_or_default();
            assert!(begun.elapsed() < Duration::from_secs(120), "Orthanc does not start:\n{}", log());
            std::thread::sleep(Duration::from_millis(200));
        }
        Some(server)
    }

    fn web(&self) -> Address {
        format!("http{}://127.0.0.1:{}/dicom-web", if self.tls { "s" } else { "" }, self.web).parse().unwrap()
    }

    fn dicom(&self) -> Address {
        format!("dicom{}://TESTPACS@127.0.0.1:{}", if self.tls { "s" } else { "" }, self.dicom).parse().unwrap()
    }

    fn connection(&self) -> Connection {
        Connection {
            credentials: Credentials::User { user: "sim".into(), password: "s3cret".into() },
            ca: self.tls.then(|| self.folder.path().join("ca.pem")),
            // Orthanc believes no one over DICOM without a certificate
            identity: self.tls.then(|| ["server.crt", "server.key"].map(|name| self.folder.path().join(name)).into()),
            timeout: Duration::from_secs(20),
            ..Connection::default()
        }
    }

    /// Stores files over the server's own interface.
    fn store(&self, folder: &Path) {
        let ca = fs::read(self.folder.path().join("ca.pem")).unwrap();
        let ca = ureq::tls::Certificate::from_pem(&ca).unwrap();
        let tls = ureq::tls::TlsConfig::builder().root_certs([ca].into_iter().into()).build();
        let agent = ureq::Agent::config_builder().tls_config(tls).build().new_agent();
        let url = self.web().to_string().replace("/dicom-web", "/instances");
        for entry in fs::read_dir(folder).unwrap() {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            // sim:s3cret
            agent.post(&url).header("Authorization", "Basic c2ltOnMzY3JldA==").send(&bytes[..]).unwrap();
        }
    }
}

/// The bundled scan with an invented patient put back into it: `SECRET` stands in every value that must go.
fn identified(folder: &Path, series: &str, region: &str, slices: std::ops::RangeInclusive<usize>) -> PathBuf {
    let to = folder.join(series);
    fs::create_dir(&to).unwrap();
    for n in slices {
        let scan = format!("assets/scans/ct-liver-contrast/{n:04}.dcm");
        let mut object = open_file(Path::new(env!("CARGO_MANIFEST_DIR")).join(scan)).unwrap();
        let instance = format!("{series}.3.{n}");
        let values: &[(u16, u16, VR, &str)] = &[
            (0x0008, 0x0018, VR::UI, &instance),
            (0x0008, 0x0020, VR::DA, "19991231"),
            (0x0008, 0x0050, VR::SH, "SECRETacc"),
            (0x0008, 0x0080, VR::LO, "SECRET hospital"),
            (0x0008, 0x0090, VR::PN, "SECRET^referrer"),
            (0x0008, 0x1030, VR::LO, "Abdomen study"),
            (0x0008, 0x103E, VR::LO, "portal phase"),
            (0x0009, 0x0010, VR::LO, "SECRET creator"),
            (0x0009, 0x1001, VR::LO, "SECRET private"),
            (0x0010, 0x0010, VR::PN, "SECRET^Patient"),
            (0x0010, 0x0020, VR::LO, "SECRETMRN42"),
            (0x0010, 0x0030, VR::DA, "19570412"),
            (0x0010, 0x4000, VR::LT, "SECRET comment"),
            (0x0018, 0x0015, VR::CS, region),
            (0x0020, 0x000D, VR::UI, STUDY),
            (0x0020, 0x000E, VR::UI, series),
            (0x0020, 0x0052, VR::UI, "1.2.3.4.9"),
        ];
        for &(group, element, vr, value) in values {
            object.put_str(Tag(group, element), vr, value);
        }
        object.update_meta(|meta| meta.media_storage_sop_instance_uid = instance.clone());
        object.write_to_file(to.join(format!("{n}.dcm"))).unwrap();
    }
    to
}

/// The bytes of every file in a folder.
fn bytes_in(folder: &Path) -> Vec<u8> {
    fs::read_dir(folder).unwrap().flat_map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
}

fn holds(bytes: &[u8], part: &str) -> bool {
    bytes.windows(part.len()).any(|window| window == part.as_bytes())
}

fn fetch(server: &Server, address: &Address, series: &str, to: &Path) -> Result<usize, PacsError> {
    let options = DeidentifyOptions::default();
    fetch_series(address, &server.connection(), (None, series), to, &options, &|_| ()).map(|report| report.written)
}

/// Everything that must hold of one server, plain or encrypted.
fn finds_and_fetches(server: &Server) {
    let work = tempfile::tempdir().unwrap();
    let original = identified(work.path(), SERIES, "ABDOMEN", 1..=20);
    assert!(holds(&bytes_in(&original), "SECRET"));
    server.store(&original);
    server.store(&identified(work.path(), HEAD, "HEAD", 1..=2));
    let voxels = |folder: &Path| {
        let mut series = read_series(folder, &|_, _| ()).unwrap();
        assert_eq!(series.len(), 1);
        series.remove(0).volume.expect("a sound series").voxels
    };
    for (name, address) in [("web", server.web()), ("dicom", server.dicom())] {
        let find = |filter: &Filter| find_series(&address, &server.connection(), filter).unwrap();
        let both = find(&Filter { modality: Some("CT".into()), ..Filter::default() });
        assert_eq!(both.len(), 2, "{name}");
        let abdomen = both.iter().find(|series| series.series_uid == SERIES).unwrap();
        assert_eq!((abdomen.study_uid.as_str(), abdomen.study_date.as_str(), abdomen.images), (STUDY, "19991231", Some(20)));
        assert_eq!((abdomen.study_description.as_str(), abdomen.series_description.as_str()), ("Abdomen study", "portal phase"));
        assert!(!serde_json::to_string(&both).unwrap().contains("SECRET"));
        let dated = |dates: &str| find(&Filter { study_date: Some(dates.into()), ..Filter::default() }).len();
        assert_eq!((dated("19991201-19991231"), dated("20000101-")), (2, 0), "{name}");
        assert_eq!(find(&Filter { description: Some("PORTAL".into()), ..Filter::default() }).len(), 2);
        assert!(find(&Filter { description: Some("thorax".into()), ..Filter::default() }).is_empty());
        assert!(find(&Filter { modality: Some("MR".into()), ..Filter::default() }).is_empty());
        assert!(find(&Filter { patient_id: Some("SECRETMRN43".into()), ..Filter::default() }).is_empty());
        assert_eq!(find(&Filter { patient_id: Some("SECRETMRN42".into()), ..Filter::default() }).len(), 2);

        let to = work.path().join(name);
        assert_eq!(fetch(server, &address, SERIES, &to).unwrap(), 20, "{name}");
        assert!(voxels(&to) == voxels(&original), "{name}: every voxel");
        let written = bytes_in(&to);
        for value in ["SECRET", "1.2.3.4.", "19991231", "19570412", "Abdomen study", "portal phase"] {
            assert!(!holds(&written, value), "{name}: {value} survives");
        }

        let refused = work.path().join("refused");
        let head = fetch(server, &address, HEAD, &refused);
        assert!(matches!(head, Err(PacsError::Deidentify(DeidentifyError::Head { .. }))), "{name}: {head:?}");
        let none = fetch(server, &address, "1.2.3.4.99", &refused);
        assert!(matches!(none, Err(PacsError::NoSuchSeries(_))), "{name}: {none:?}");
        let occupied = fetch(server, &address, SERIES, &to);
        assert!(matches!(occupied, Err(PacsError::Deidentify(DeidentifyError::Occupied(_)))), "{name}: {occupied:?}");
        assert!(!refused.exists());
    }
    let left: Vec<_> = fs::read_dir(work.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 4, "nothing half-written stays: {left:?}");
}

#[test]
fn a_series_comes_from_orthanc_with_every_pixel_and_without_the_person() {
    let Some(server) = Server::start(false) else { return };
    finds_and_fetches(&server);
    let find = |address: &Address, connection: &Connection| find_series(address, connection, &Filter::default());
    let wrong = Credentials::User { user: "sim".into(), password: "wrong".into() };
    let unauthorised = find(&server.web(), &Connection { credentials: wrong, ..server.connection() });
    assert!(matches!(unauthorised, Err(PacsError::Unauthorised { status: 401, .. })), "{unauthorised:?}");
    let stranger: Address = format!("dicom://OTHER@127.0.0.1:{}", server.dicom).parse().unwrap();
    let refused = find(&stranger, &server.connection());
    assert!(matches!(refused, Err(PacsError::Refused { .. })), "{refused:?}");
    let elsewhere: Address = format!("http://127.0.0.1:{}/elsewhere", server.web).parse().unwrap();
    let missing = find(&elsewhere, &server.connection());
    assert!(matches!(missing, Err(PacsError::Status { status: 404, .. })), "{missing:?}");
}

/// A gate before a server's DICOMweb that lets through who bears the token, and no one else; the server itself is told its own password.
fn gate(to: u16) -> u16 {
    use std::io::{Read, Write};
    listener(move |mut client| {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if client.read(&mut byte).unwrap_or(0) == 0 {
                return;
            }
            head.extend(byte);
        }
        let head = String::from_utf8(head).unwrap();
        let (mut sent, mut admitted) = (String::new(), false);
        for line in head.trim_end().split("\r\n") {
            let (name, value) = line.split_once(": ").unwrap_or((line, ""));
            match name.to_ascii_lowercase().as_str() {
                "authorization" => admitted = value == "Bearer t0ken",
                "connection" => {}
                _ => sent.push_str(&format!("{line}\r\n")),
            }
        }
        if !admitted {
            let _ = client.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            return;
        }
        let mut server = std::net::TcpStream::connect(("127.0.0.1", to)).unwrap();
        // sim:s3cret
        sent.push_str("Authorization: Basic c2ltOnMzY3JldA==\r\nConnection: close\r\n\r\n");
        server.write_all(sent.as_bytes()).unwrap();
        let mut answer = Vec::new();
        server.read_to_end(&mut answer).unwrap();
        let end = answer.windows(2).position(|pair| pair == b"\r\n").unwrap();
        // one request a connection: it is not to be used again
        let _ = client.write_all(&[&answer[..end], b"\r\nConnection: close", &answer[end..]].concat());
    })
}

#[test]
fn a_bearer_token_opens_a_dicomweb_server_and_a_wrong_one_does_not() {
    let Some(server) = Server::start(false) else { return };
    let work = tempfile::tempdir().unwrap();
    server.store(&identified(work.path(), SERIES, "ABDOMEN", 1..=3));
    let address: Address = format!("http://127.0.0.1:{}/dicom-web", gate(server.web)).parse().unwrap();
    let to = work.path().join("to");
    let get = |token: &str| {
        let connection = Connection { credentials: Credentials::Token(token.into()), ..server.connection() };
        let found = find_series(&address, &connection, &Filter::default()).map(|found| found.len());
        let options = DeidentifyOptions::default();
        let fetched = fetch_series(&address, &connection, (None, SERIES), &to, &options, &|_| ());
        (found, fetched.map(|report| report.written))
    };
    let (found, fetched) = get("wrong");
    for answer in [found, fetched] {
        assert!(matches!(answer, Err(PacsError::Unauthorised { status: 401, .. })), "{answer:?}");
        assert!(!format!("{answer:?}").contains("wrong"), "a token is never told");
    }
    assert!(!to.exists());
    let (found, fetched) = get("t0ken");
    assert_eq!((found.unwrap(), fetched.unwrap()), (1, 3));
    assert_eq!(fs::read_dir(&to).unwrap().count(), 3);
}

/// A disk that fills up while a series is fetched, as a limit on the size of files.
#[cfg(unix)]
#[test]
fn a_disk_that_fills_up_during_a_retrieval_is_named_and_nothing_stays() {
    let Some(server) = Server::start(false) else { return };
    let work = tempfile::tempdir().unwrap();
    server.store(&identified(work.path(), SERIES, "ABDOMEN", 1..=3));
    let folder = work.path().join("scans");
    fs::create_dir(&folder).unwrap();
    let to = folder.join("to");
    for address in [server.web(), server.dicom()] {
        // blocks of 512 or 1024 bytes; a slice takes some 150 kB
        let run = |limit: &str| {
            let script =
                format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\" patient fetch \"$1\" --series \"$2\" --out \"$3\"");
            Command::new("sh")
                .args(["-c", &script, env!("CARGO_BIN_EXE_halsted"), &address.to_string(), SERIES, to.to_str().unwrap()])
                .envs([("HALSTED_PACS_USER", "sim"), ("HALSTED_PACS_PASSWORD", "s3cret")])
                .output()
                .unwrap()
        };
        let full = run("60");
        let message = String::from_utf8_lossy(&full.stderr).into_owned();
        assert_eq!(full.status.code(), Some(2), "{address}: {message}");
        assert!(message.contains("cannot be written") && !message.contains("panicked"), "{address}: {message}");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "{address}: nothing stays");
        let whole = run("unlimited");
        assert!(whole.status.success(), "{address}: {}", String::from_utf8_lossy(&whole.stderr));
        assert_eq!(fs::read_dir(&to).unwrap().count(), 3);
        fs::remove_dir_all(&to).unwrap();
    }
}

#[test]
fn the_same_over_tls_and_only_with_the_right_certificate() {
    let Some(server) = Server::start(true) else { return };
    finds_and_fetches(&server);
    let other = server.folder.path().join("other.pem");
    openssl(server.folder.path(), "req -x509 -newkey rsa:2048 -nodes -keyout o.key -out other.pem -days 2 -subj /CN=other");
    for address in [server.web(), server.dicom()] {
        let connection = Connection { ca: Some(other.clone()), ..server.connection() };
        let found = find_series(&address, &connection, &Filter::default());
        assert!(matches!(found, Err(PacsError::Tls { .. })), "{address}: {found:?}");
    }
    let plain: Address = format!("dicom://TESTPACS@127.0.0.1:{}", server.dicom).parse().unwrap();
    assert!(
        find_series(&plain, &Connection { timeout: Duration::from_secs(3), ..server.connection() }, &Filter::default()).is_err()
    );
}

/// A listener that does `answer` with each connection.
fn listener(answer: impl Fn(std::net::TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.incoming().flatten().for_each(answer));
    port
}

#[test]
fn servers_that_are_not_there_are_silent_or_break_off_are_told_apart_and_leave_nothing() {
    use std::io::{Read, Write};
    let work = tempfile::tempdir().unwrap();
    let to = work.path().join("to");
    let brief = Connection { timeout: Duration::from_millis(500), ..Connection::default() };
    let both = |port: u16| -> [Address; 2] {
        [format!("dicom://A@127.0.0.1:{port}"), format!("http://127.0.0.1:{port}/dicom-web")].map(|url| url.parse().unwrap())
    };
    let get = |address: &Address| {
        let options = DeidentifyOptions::default();
        fetch_series(address, &brief, (Some(STUDY), SERIES), &to, &options, &|_| ()).expect_err("no such server")
    };
    for address in both(free_ports::<1>()[0]) {
        let error = get(&address);
        assert!(matches!(error, PacsError::Unreachable { .. }), "{error:?}");
    }
    let silent = listener(std::mem::forget);
    for address in both(silent) {
        let error = get(&address);
        assert!(matches!(error, PacsError::Timeout { .. }), "{address}: {error:?}");
    }
    let gone = listener(drop);
    for address in both(gone) {
        let error = get(&address);
        assert!(matches!(error, PacsError::BrokenOff { .. }), "{address}: {error:?}");
    }
    // one whole image of a body that ends within the second
    let image = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/scans/ct-liver-contrast/0001.dcm")).unwrap();
    let cut = listener(move |mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: multipart/related; boundary=b\r\n\r\n--b\r\n\r\n";
        let _ = stream.write_all(&[head.as_bytes(), &image, b"\r\n--b\r\n\r\n", &image[..1000]].concat());
    });
    let error = get(&both(cut)[1]);
    assert!(matches!(error, PacsError::BrokenOff { .. }), "{error:?}");
    assert!(fs::read_dir(work.path()).unwrap().next().is_none());

    let abroad: Address = "http://pacs.invalid/dicom-web".parse().unwrap();
    let secret = Connection { credentials: Credentials::Token("t0ken".into()), ..Connection::default() };
    let error = find_series(&abroad, &secret, &Filter::default()).expect_err("a secret in the clear");
    assert!(matches!(&error, PacsError::Unencrypted { .. }) && !format!("{error:?}").contains("t0ken"));
}
